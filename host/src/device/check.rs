//! What a program must fulfil before anything is allocated for it.
//!
//! wgpu would refuse most of this too, one cascade of messages later; workgroup memory over the limit is checked by
//! nobody else, and crashes drivers.

use pilaster_kernels::gpu::program::BufferSpec;
use pilaster_kernels::gpu::{BufferId, BufferInit, BufferRange, Program, Stage, Workgroups};
use pilaster_kernels::{Error, Result};
use pilaster_shaders::{Access, Tier};

/// Bytes that a buffer takes: a multiple of four, at least four.
pub(super) fn buffer_bytes(spec: &BufferSpec) -> u64 {
    spec.bytes.checked_next_multiple_of(4).unwrap_or(!3).max(4)
}

/// Checks a program against a tier.
///
/// # Errors
/// [`Error::Device`] naming the buffer or stage and what is wrong with it.
pub(super) fn program(program: &Program, tier: &Tier, max_buffer_bytes: u64) -> Result<()> {
    let refuse = |reason: String| Error::Device { stage: program.label.clone(), reason };
    for spec in &program.buffers {
        buffer(spec, max_buffer_bytes).map_err(refuse)?;
    }
    for stage in &program.stages {
        check_stage(stage, &program.buffers, tier)
            .map_err(|reason| Error::Device { stage: stage.label.clone(), reason })?;
    }
    for range in &program.read_back {
        read_back(range, &program.buffers).map_err(refuse)?;
    }
    let down = program.read_back_bytes();
    if down > max_buffer_bytes {
        return Err(refuse(format!("{down} bytes are read back, a buffer holds at most {max_buffer_bytes}")));
    }
    Ok(())
}

type Check<T = ()> = Result<T, String>;

fn buffer(spec: &BufferSpec, max_buffer_bytes: u64) -> Check {
    let (name, bytes) = (&spec.label, buffer_bytes(spec));
    if bytes > max_buffer_bytes {
        return Err(format!(
            "buffer `{name}` has {bytes} bytes, this device's largest has {max_buffer_bytes}"
        ));
    }
    let BufferInit::Upload(pieces) = &spec.init else { return Ok(()) };
    let mut ranges: Vec<(u64, u64)> = pieces.iter().map(|(at, piece)| (*at, piece.len() as u64)).collect();
    ranges.sort_unstable();
    let mut end = 0;
    for (at, len) in ranges {
        if !at.is_multiple_of(4) {
            return Err(format!("buffer `{name}`: a piece starts at {at}, which is not a multiple of 4"));
        }
        if at < end {
            return Err(format!(
                "buffer `{name}`: the piece at {at} starts before the end of another at {end}"
            ));
        }
        end = at.saturating_add(len);
        if end > bytes {
            return Err(format!("buffer `{name}`: a piece ends at {end}, past the buffer's {bytes} bytes"));
        }
    }
    Ok(())
}

fn check_stage(stage: &Stage, buffers: &[BufferSpec], tier: &Tier) -> Check {
    let bound: Vec<&BufferSpec> =
        stage.bindings.iter().map(|id| lookup(*id, buffers)).collect::<Check<_>>()?;
    needs(stage, tier)?;
    bindings(stage, &bound, tier)?;
    conflicts(stage, &bound)?;
    workgroups(stage, buffers, tier)
}

fn lookup(id: BufferId, buffers: &[BufferSpec]) -> Check<&BufferSpec> {
    buffers.get(id.0 as usize).ok_or_else(|| format!("there is no buffer {}", id.0))
}

fn needs(stage: &Stage, tier: &Tier) -> Check {
    let shader = &stage.shader;
    let missing = [
        (shader.needs.int64 && !tier.int64, "64-bit integers"),
        (shader.needs.float64 && !tier.float64, "64-bit floats"),
        (shader.needs.subgroups && !tier.subgroups, "subgroups"),
    ];
    if let Some((_, feature)) = missing.iter().find(|(missing, _)| *missing) {
        return Err(format!("the shader needs {feature}, which the tier `{}` lacks", tier.name()));
    }
    let invocations: u64 = shader.workgroup_size.iter().map(|size| u64::from(*size)).product();
    if invocations > u64::from(tier.workgroup_invocations) {
        let limit = tier.workgroup_invocations;
        return Err(format!("a workgroup has {invocations} invocations, the device allows {limit}"));
    }
    if shader.workgroup_bytes > tier.workgroup_bytes {
        let (bytes, limit) = (shader.workgroup_bytes, tier.workgroup_bytes);
        return Err(format!("a workgroup has {bytes} bytes of memory, the device allows {limit}"));
    }
    Ok(())
}

fn bindings(stage: &Stage, bound: &[&BufferSpec], tier: &Tier) -> Check {
    let declared = &stage.shader.bindings;
    if bound.len() != declared.len() {
        return Err(format!("{} buffers are bound, the shader has {} bindings", bound.len(), declared.len()));
    }
    if bound.len() > tier.storage_buffers as usize {
        let limit = tier.storage_buffers;
        return Err(format!("{} storage buffers are bound, the device allows {limit}", bound.len()));
    }
    for (spec, binding) in bound.iter().zip(declared) {
        let bytes = buffer_bytes(spec);
        if bytes > tier.binding_bytes {
            let (name, limit) = (&spec.label, tier.binding_bytes);
            return Err(format!("buffer `{name}` has {bytes} bytes, a binding holds at most {limit}"));
        }
        if bytes < binding.min_bytes {
            let (name, variable, least) = (&spec.label, &binding.name, binding.min_bytes);
            return Err(format!("buffer `{name}` has {bytes} bytes, `{variable}` takes at least {least}"));
        }
    }
    Ok(())
}

/// Within one dispatch a buffer is only read, or bound for writing everywhere.
fn conflicts(stage: &Stage, bound: &[&BufferSpec]) -> Check {
    let uses: Vec<(BufferId, Access)> = stage
        .bindings
        .iter()
        .copied()
        .zip(stage.shader.bindings.iter().map(|binding| binding.access))
        .chain(match stage.workgroups {
            Workgroups::Indirect(id, _) => Some((id, Access::Read)),
            Workgroups::Direct(_) => None,
        })
        .collect();
    let written = |id| uses.iter().any(|(other, access)| *other == id && *access == Access::ReadWrite);
    let conflict = uses.iter().find(|(id, access)| *access == Access::Read && written(*id));
    match conflict {
        None => Ok(()),
        Some((id, _)) => {
            let name = stage.bindings.iter().position(|other| other == id).map(|at| bound[at].label.as_str());
            Err(format!("buffer `{}` is bound both for reading and for writing", name.unwrap_or("?")))
        }
    }
}

fn workgroups(stage: &Stage, buffers: &[BufferSpec], tier: &Tier) -> Check {
    match stage.workgroups {
        Workgroups::Direct(counts) => {
            let limit = tier.workgroups_per_dimension;
            match counts.iter().find(|count| **count > limit) {
                Some(count) => Err(format!("{count} workgroups in one dimension, the device allows {limit}")),
                None => Ok(()),
            }
        }
        Workgroups::Indirect(id, offset) => {
            let spec = lookup(id, buffers)?;
            inside(offset, 12, spec).map_err(|reason| format!("indirect workgroups: {reason}"))
        }
    }
}

fn read_back(range: &BufferRange, buffers: &[BufferSpec]) -> Check {
    let spec = lookup(range.buffer, buffers)?;
    inside(range.offset, range.bytes, spec).map_err(|reason| format!("read-back: {reason}"))
}

fn inside(offset: u64, bytes: u64, spec: &BufferSpec) -> Check {
    let (name, size) = (&spec.label, buffer_bytes(spec));
    if !offset.is_multiple_of(4) || !bytes.is_multiple_of(4) {
        return Err(format!("bytes {offset}+{bytes} of `{name}` are not whole words"));
    }
    if offset.checked_add(bytes).is_none_or(|end| end > size) {
        return Err(format!("bytes {offset}+{bytes} are past the end of `{name}`, which has {size}"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;

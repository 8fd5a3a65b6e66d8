//! What the host needs to know about a module, read off the module itself, so that nothing is typed twice.

use naga::{AddressSpace, EntryPoint, Module, ShaderStage, Span, StorageAccess};

use crate::lint::Finding;
use crate::request::{Access, Binding};

/// WebGPU counts every workgroup variable in units of this many bytes.
const WORKGROUP_UNIT: u32 = 16;

/// The one compute entry point.
pub(crate) fn entry_point(module: &Module) -> Result<&EntryPoint, Finding> {
    match module.entry_points.as_slice() {
        [entry] if entry.stage == ShaderStage::Compute => Ok(entry),
        entries => {
            let reason =
                format!("a stage has one compute entry point, this has {} entry points", entries.len());
            Err(Finding { span: Span::UNDEFINED, reason })
        }
    }
}

/// Storage buffers of group 0, dense from binding 0. Other resources and other groups are refused.
pub(crate) fn bindings(module: &Module) -> Result<Vec<Binding>, Finding> {
    let mut bindings = Vec::new();
    for (handle, variable) in module.global_variables.iter() {
        let span = module.global_variables.get_span(handle);
        let refuse = |reason: &str| Finding { span, reason: reason.to_string() };
        let access = match variable.space {
            AddressSpace::Private | AddressSpace::WorkGroup => continue,
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Access::ReadWrite,
            AddressSpace::Storage { .. } => Access::Read,
            _ => return Err(refuse("only storage buffers are bound: parameters are small storage buffers")),
        };
        let Some(binding) = variable.binding.filter(|binding| binding.group == 0) else {
            return Err(refuse("storage buffers are bound in group 0"));
        };
        let min_bytes = u64::from(module.types[variable.ty].inner.size(module.to_ctx()));
        let name = variable.name.clone().unwrap_or_default();
        bindings.push(Binding { index: binding.binding, name, access, min_bytes });
    }
    bindings.sort_by_key(|binding| binding.index);
    match bindings.iter().zip(0..).find(|(binding, index)| binding.index != *index) {
        Some((binding, index)) => {
            let reason = format!("bindings are dense from 0: `{}` stands where {index} is due", binding.name);
            Err(Finding { span: Span::UNDEFINED, reason })
        }
        None => Ok(bindings),
    }
}

/// Workgroup size of a module whose overrides are resolved.
pub(crate) fn workgroup_size(resolved: &Module) -> [u32; 3] {
    resolved.entry_points.first().map_or([1; 3], |entry| entry.workgroup_size)
}

/// Workgroup memory of a module whose overrides are resolved; saturates.
pub(crate) fn workgroup_bytes(resolved: &Module) -> u32 {
    let variables = resolved.global_variables.iter().map(|(_, variable)| variable);
    let shared = variables.filter(|variable| variable.space == AddressSpace::WorkGroup);
    shared.fold(0, |total: u32, variable| {
        let size = resolved.types[variable.ty].inner.try_size(resolved.to_ctx()).unwrap_or(u32::MAX);
        let padded = size.checked_next_multiple_of(WORKGROUP_UNIT).unwrap_or(u32::MAX);
        total.saturating_add(padded)
    })
}

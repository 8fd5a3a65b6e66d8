//! Compiled stages and bind groups, made once and kept.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use parking_lot::Mutex;
use pilaster_kernels::Result;
use pilaster_kernels::gpu::Program;
use pilaster_shaders::{Access, Shader};
use rayon::prelude::*;
use wgpu::{ShaderRuntimeChecks, ShaderSource};

use super::connection::Connection;
use super::profile::ShaderMode;

/// Bind groups kept at most; more than any query's programs need, few enough not to matter.
const MAX_BIND_GROUPS: usize = 1024;

/// A compiled stage.
pub(super) struct Pipeline {
    pub(super) pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
    key: Key,
}

/// A shader and how it was compiled.
type Key = (u64, ShaderMode);

/// Compiled stages by shader.
#[derive(Default)]
pub(super) struct Pipelines {
    compiled: Mutex<HashMap<Key, Arc<Pipeline>>>,
}

impl Pipelines {
    /// The pipelines of a program's stages, in order. Those not yet compiled are compiled in parallel.
    ///
    /// # Errors
    /// [`pilaster_kernels::Error::Device`] naming the stage that the device refuses.
    pub(super) fn of_program(
        &self,
        connection: &Connection,
        program: &Program,
        mode: ShaderMode,
    ) -> Result<Vec<Arc<Pipeline>>> {
        self.compile_missing(connection, program, mode)?;
        let compiled = self.compiled.lock();
        Ok(program.stages.iter().map(|stage| Arc::clone(&compiled[&(stage.shader.id, mode)])).collect())
    }

    fn compile_missing(&self, connection: &Connection, program: &Program, mode: ShaderMode) -> Result<()> {
        let missing: Vec<&Arc<Shader>> = {
            let compiled = self.compiled.lock();
            let mut seen = HashSet::new();
            let shaders = program.stages.iter().map(|stage| &stage.shader);
            shaders
                .filter(|shader| seen.insert(shader.id) && !compiled.contains_key(&(shader.id, mode)))
                .collect()
        };
        // No lock is held here: rayon may run another program's work on this thread meanwhile.
        let fresh: Vec<Pipeline> =
            missing.par_iter().map(|shader| compile(connection, shader, mode)).collect::<Result<_>>()?;
        let mut compiled = self.compiled.lock();
        for pipeline in fresh {
            // Another thread may have been faster: its pipeline stays, bind groups refer to it.
            compiled.entry(pipeline.key).or_insert_with(|| Arc::new(pipeline));
        }
        Ok(())
    }

    /// Compiled stages.
    pub(super) fn len(&self) -> usize {
        self.compiled.lock().len()
    }
}

fn compile(connection: &Connection, shader: &Shader, mode: ShaderMode) -> Result<Pipeline> {
    connection.scoped(&shader.label, [shader.wgsl.len() as u64, 0], || {
        let device = &connection.device;
        let module = module(device, shader, mode);
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(&shader.label),
            entries: &shader.bindings.iter().map(layout_entry).collect::<Vec<_>>(),
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&shader.label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let constants: Vec<(&str, f64)> =
            shader.constants.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&shader.label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some(&shader.entry_point),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &constants,
                zero_initialize_workgroup_memory: mode == ShaderMode::Checked,
            },
            cache: None,
        });
        Ok(Pipeline { pipeline, layout, key: (shader.id, mode) })
    })
}

fn module(device: &wgpu::Device, shader: &Shader, mode: ShaderMode) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(&shader.label),
        source: ShaderSource::Wgsl(Cow::Borrowed(&shader.wgsl)),
    };
    match mode {
        ShaderMode::Checked => device.create_shader_module(descriptor),
        // SAFETY: shaders come from our own library and generator, validated and linted by `pilaster_shaders`; their
        // indices, loops and divisors are kept in bounds by construction, and the same shaders run in checked mode in
        // every test (an access out of bounds gives wrong values there, which the comparisons find).
        ShaderMode::Trusted => unsafe {
            device.create_shader_module_trusted(descriptor, ShaderRuntimeChecks::unchecked())
        },
    }
}

/// Layouts are explicit: an automatic one drops bindings that the compiled stage does not use.
fn layout_entry(binding: &pilaster_shaders::Binding) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry {
        binding: binding.index,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only: binding.access == Access::Read },
            has_dynamic_offset: false,
            min_binding_size: NonZeroU64::new(binding.min_bytes),
        },
        count: None,
    }
}

/// A buffer as it is bound: identity, handle, bytes.
pub(super) type Bound<'a> = (u64, &'a wgpu::Buffer, NonZeroU64);

/// A pipeline, and identity and bytes of each of its buffers.
type BoundKey = (Key, Vec<(u64, NonZeroU64)>);

/// Bind groups by pipeline and buffers.
#[derive(Default)]
pub(super) struct BindGroups {
    made: Mutex<HashMap<BoundKey, wgpu::BindGroup>>,
}

impl BindGroups {
    /// The bind group of `pipeline` with these buffers, from their first byte. Call inside of an error scope.
    pub(super) fn get(
        &self,
        connection: &Connection,
        pipeline: &Pipeline,
        buffers: &[Bound<'_>],
    ) -> wgpu::BindGroup {
        let identity = buffers.iter().map(|(id, _, bytes)| (*id, *bytes)).collect();
        let mut made = self.made.lock();
        if made.len() >= MAX_BIND_GROUPS {
            made.clear();
        }
        made.entry((pipeline.key, identity)).or_insert_with(|| make(connection, pipeline, buffers)).clone()
    }

    /// Drops the bind groups that hold a buffer.
    pub(super) fn forget(&self, buffer: u64) {
        self.made.lock().retain(|(_, buffers), _| buffers.iter().all(|(id, _)| *id != buffer));
    }
}

fn make(connection: &Connection, pipeline: &Pipeline, buffers: &[Bound<'_>]) -> wgpu::BindGroup {
    let entries: Vec<wgpu::BindGroupEntry<'_>> = buffers
        .iter()
        .zip(0..)
        .map(|((_, buffer, bytes), binding)| wgpu::BindGroupEntry {
            binding,
            resource: wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                buffer,
                offset: 0,
                size: Some(*bytes),
            }),
        })
        .collect();
    connection.device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &pipeline.layout,
        entries: &entries,
    })
}

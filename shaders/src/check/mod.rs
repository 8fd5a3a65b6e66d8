//! From composed text to a shader: parse, validate, lint, SPIR-V, reflect.
//!
//! The module is validated twice: first with every feature that we know, so that the lint can say in our words which
//! line goes beyond the tier; then with the tier's own, which is what the device will hold it to.

#[cfg(test)]
mod tests;

use std::error::Error as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use naga::back::{PipelineConstants, pipeline_constants, spv};
use naga::valid::{Capabilities, ModuleInfo, ValidationError, ValidationFlags, Validator};
use naga::{Module, ShaderStage, Span, WithSpan};

use crate::compose::{Composed, Refusal};
use crate::lint::{self, Finding};
use crate::reflect;
use crate::request::{Request, Shader};
use crate::tier::Tier;

/// Oldest SPIR-V that the adapters take; what wgpu writes.
const SPIRV_VERSION: (u8, u8) = (1, 3);

/// Checks composed text and reads off what the host needs to know.
pub(crate) fn check(request: &Request<'_>, composed: Composed) -> Result<Shader, Refusal> {
    let module = parse(&composed)?;
    let info = validate(&module, every_feature(), &composed)?;
    let at = |finding: Finding| refuse(&composed, finding.span, finding.reason);
    let needs = lint::lint(&module, &info, request.tier).map_err(at)?;
    validate(&module, features_of(request.tier), &composed)?;

    let entry_point = reflect::entry_point(&module).map_err(at)?.name.clone();
    let bindings = reflect::bindings(&module).map_err(at)?;
    lint::binding_count(bindings.len(), request.tier).map_err(at)?;

    let constants: PipelineConstants =
        request.constants.iter().map(|(name, value)| ((*name).to_string(), *value)).collect();
    let stage = Some((ShaderStage::Compute, entry_point.as_str()));
    let (resolved, resolved_info) = pipeline_constants::process_overrides(&module, &info, stage, &constants)
        .map_err(|error| refuse(&composed, Span::UNDEFINED, error.to_string()))?;
    let workgroup_size = reflect::workgroup_size(&resolved);
    let workgroup_bytes = reflect::workgroup_bytes(&resolved);
    lint::workgroup(workgroup_size, workgroup_bytes, request.tier).map_err(at)?;
    let options = spv::Options { lang_version: SPIRV_VERSION, ..Default::default() };
    spv::write_vec(&resolved, &resolved_info, &options, None)
        .map_err(|error| refuse(&composed, Span::UNDEFINED, format!("SPIR-V: {error}")))?;

    let constants: Vec<(String, f64)> =
        request.constants.iter().map(|(name, value)| ((*name).to_string(), *value)).collect();
    Ok(Shader {
        label: request.label.to_string(),
        id: identity(&composed.text, &constants),
        wgsl: composed.text,
        constants,
        entry_point,
        workgroup_size,
        workgroup_bytes,
        bindings,
        needs,
    })
}

fn parse(composed: &Composed) -> Result<Module, Refusal> {
    let options =
        naga::front::wgsl::Options { capabilities: every_feature(), ..naga::front::wgsl::Options::new() };
    naga::front::wgsl::Frontend::new_with_options(options).parse(&composed.text).map_err(|error| {
        let (span, label) = error.labels().next().unwrap_or((Span::UNDEFINED, ""));
        let label = if label.is_empty() { String::new() } else { format!(" ({label})") };
        refuse(composed, span, format!("{error}{label}"))
    })
}

fn validate(module: &Module, features: Capabilities, composed: &Composed) -> Result<ModuleInfo, Refusal> {
    let mut validator = Validator::new(ValidationFlags::all(), features);
    validator.validate(module).map_err(|error| refuse(composed, narrowest(&error), chain(error.as_inner())))
}

/// An error and its causes, outermost first.
fn chain(error: &ValidationError) -> String {
    let mut reason = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        reason = format!("{reason}: {error}");
        cause = error.source();
    }
    reason
}

/// The validator names the expression and the function around it; the shorter span says more.
fn narrowest(error: &WithSpan<ValidationError>) -> Span {
    let spans = error.spans().map(|(span, _)| *span).filter(|span| span.is_defined());
    spans.min_by_key(|span| span.to_range().map_or(0, |range| range.len())).unwrap_or(Span::UNDEFINED)
}

fn refuse(composed: &Composed, span: Span, reason: String) -> Refusal {
    let origin =
        span.to_range().map_or_else(|| composed.root().to_string(), |range| composed.origin(range.start));
    Refusal { origin, reason }
}

/// What the lint can judge by itself.
fn every_feature() -> Capabilities {
    let atomics = Capabilities::SHADER_INT64_ATOMIC_ALL_OPS | Capabilities::SHADER_INT64_ATOMIC_MIN_MAX;
    Capabilities::SHADER_INT64 | Capabilities::FLOAT64 | Capabilities::SUBGROUP | atomics
}

fn features_of(tier: &Tier) -> Capabilities {
    let mut features = Capabilities::empty();
    features.set(Capabilities::SHADER_INT64, tier.int64);
    features.set(Capabilities::FLOAT64, tier.float64);
    features.set(Capabilities::SUBGROUP, tier.subgroups);
    features
}

fn identity(text: &str, constants: &[(String, f64)]) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    for (name, value) in constants {
        (name, value.to_bits()).hash(&mut hasher);
    }
    hasher.finish()
}

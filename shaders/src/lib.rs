//! WGSL compute shaders of Pilaster: composed, validated, linted and reflected. Knows naga; knows neither wgpu nor Arrow.
//!
//! ```text
//! wgsl/shared/*.wgsl  wgsl/<kernel>/<stage>.wgsl   (compiled into the crate)     or generated text
//!        \                   |
//!         compose: include-once imports, a type module per slot, per-tier conditions
//!                            |
//!         check: parse -> validate -> lint -> SPIR-V -> reflect
//!                            |
//!         Shader: text, bindings, workgroup size   (cached by request)
//! ```
//! Directives are comments, so that fragments stay plain WGSL for editors:
//!
//! - `//!use shared/int64` includes a module once, wherever it is first asked for (WGSL is order-independent).
//! - `//!use $Value` includes the module that the request selects for the slot `Value`.
//! - `//!if int64`, `//!if !subgroups`, `//!else`, `//!end` keep lines by the tier's conditions (they nest).

mod check;
mod compose;
mod library;
mod lint;
mod reflect;
mod request;
mod tier;

pub use library::stages;
pub use request::{Access, Binding, Needs, Request, Root, Shader, ShaderError, shader};
pub use tier::Tier;

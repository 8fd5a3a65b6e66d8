//! From a request to a checked shader.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::check::check;
use crate::compose::{Refusal, compose};
use crate::library::LIBRARY;
use crate::tier::Tier;

/// Where the text of a stage comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Root<'a> {
    /// A file of the library by its path without extension: `aggregate/settle`.
    Library(&'a str),
    /// Generated text; directives work in it too.
    Generated(&'a str),
}

/// What to compose.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// Name for errors and timings: `aggregate/settle`.
    pub label: &'a str,
    /// The text.
    pub root: Root<'a>,
    /// Module chosen per slot: `("Value", "shared/int64")` answers `//!use $Value`.
    pub slots: &'a [(&'a str, &'a str)],
    /// Values for `override` constants.
    pub constants: &'a [(&'a str, f64)],
    /// What the shader may use.
    pub tier: &'a Tier,
}

/// How a stage uses a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Access {
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    ReadWrite,
}

/// A storage buffer that a stage binds, in group 0. There are no other resources: parameters are small storage buffers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Binding {
    /// Binding number.
    pub index: u32,
    /// Name of the variable.
    pub name: String,
    /// Read, or read and write.
    pub access: Access,
    /// Smallest size of the bound buffer in bytes.
    pub min_bytes: u64,
}

/// Device features that a shader turned out to need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Needs {
    /// Uses `i64` or `u64`.
    pub int64: bool,
    /// Uses `f64`.
    pub float64: bool,
    /// Uses subgroup operations.
    pub subgroups: bool,
}

/// A composed, validated, linted and reflected stage.
#[derive(Debug, Clone)]
pub struct Shader {
    /// The request's label.
    pub label: String,
    /// Composed text.
    pub wgsl: String,
    /// Values for its `override` constants, by name.
    pub constants: Vec<(String, f64)>,
    /// Name of the entry point.
    pub entry_point: String,
    /// Workgroup size, overrides resolved.
    pub workgroup_size: [u32; 3],
    /// Workgroup memory in bytes, overrides resolved.
    pub workgroup_bytes: u32,
    /// Bindings of group 0, dense from 0.
    pub bindings: Vec<Binding>,
    /// Features it uses.
    pub needs: Needs,
    /// Hash of text and constants: key of pipeline caches.
    pub id: u64,
}

/// Why a shader was refused, with the line in the file that it came from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{label}: {origin}: {reason}")]
pub struct ShaderError {
    /// The request's label.
    pub label: String,
    /// `file:line` of the module, as far as it is known.
    pub origin: String,
    /// What is wrong.
    pub reason: String,
}

/// Composes, checks and reflects a shader. Answers are cached for the life of the process.
///
/// ```
/// use pilaster_shaders::{Request, Root, Tier, shader};
///
/// let text = "
/// //!use shared/bitmap
/// @group(0) @binding(0) var<storage, read> words: array<u32>;
/// @group(0) @binding(1) var<storage, read_write> bits: array<u32>;
///
/// @compute @workgroup_size(64)
/// fn main(@builtin(global_invocation_id) id: vec3<u32>) {
///     if (id.x < arrayLength(&bits)) {
///         bits[id.x] = u32(bitmap_bit(words[bitmap_word(id.x)], id.x));
///     }
/// }";
/// let root = Root::Generated(text);
/// let shader = shader(&Request { label: "unpack", root, slots: &[], constants: &[], tier: &Tier::BASELINE })?;
/// assert_eq!(shader.workgroup_size, [64, 1, 1]);
/// assert_eq!(shader.bindings.len(), 2);
/// # Ok::<(), pilaster_shaders::ShaderError>(())
/// ```
///
/// # Errors
/// [`ShaderError`] where a module is missing, a directive is malformed, or naga or the lint refuses the text.
pub fn shader(request: &Request<'_>) -> Result<Arc<Shader>, ShaderError> {
    let key = Key::new(request);
    if let Some(answer) = cache().get(&key) {
        return answer.clone();
    }
    // Built outside the lock: two threads may build the same shader once each, none waits for another's.
    let answer = build(request).map(Arc::new);
    let mut cache = cache();
    if cache.len() >= CACHE_ENTRIES {
        cache.clear();
    }
    cache.entry(key).or_insert(answer).clone()
}

fn build(request: &Request<'_>) -> Result<Shader, ShaderError> {
    let checked = compose(request, LIBRARY).and_then(|composed| check(request, composed));
    checked.map_err(|Refusal { origin, reason }| ShaderError {
        label: request.label.to_string(),
        origin,
        reason,
    })
}

/// Generated shaders are cached by shape, so that a process has some dozens of them. The bound is for the process that
/// meets thousands of shapes: it starts over (a shader takes some milliseconds).
const CACHE_ENTRIES: usize = 4096;

type Cache = HashMap<Key, Result<Arc<Shader>, ShaderError>>;

fn cache() -> MutexGuard<'static, Cache> {
    static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);
    CACHE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request by value.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    label: String,
    generated: bool,
    root: String,
    slots: Vec<(String, String)>,
    /// Bits of the values: NaN is a key like any other, and is refused later.
    constants: Vec<(String, u64)>,
    tier: Tier,
}

impl Key {
    fn new(request: &Request<'_>) -> Self {
        let (generated, root) = match request.root {
            Root::Library(path) => (false, path),
            Root::Generated(text) => (true, text),
        };
        let slots = request.slots.iter().map(|(slot, path)| ((*slot).to_string(), (*path).to_string()));
        let constants = request.constants.iter().map(|(name, value)| ((*name).to_string(), value.to_bits()));
        Key {
            label: request.label.to_string(),
            generated,
            root: root.to_string(),
            slots: slots.collect(),
            constants: constants.collect(),
            tier: request.tier.clone(),
        }
    }
}

//! Refuses what naga accepts and adapters get wrong, and what goes beyond the tier.
//!
//! | rule | what happens otherwise |
//! | --- | --- |
//! | on 64-bit integers only `abs`, `min`, `max` among the built-ins | panics in the SPIR-V writer (leading zeros), process aborts and wrong values in drivers (trailing zeros, reverse, extract) |
//! | on `f64` only exact built-ins | `exp`, `log` and the like are garbage, `round` differs |
//! | no `x == x`, `x != x`, `isNan`, `isInf` on floats | comparisons are ordered and fast-math may fold them: false for NaN; test the bits |
//! | no 64-bit atomics | not in the tiers: few adapters have them |
//! | `i64`, `f64`, subgroups only where the tier has them | device refuses the pipeline |
//! | workgroup memory, invocations, storage buffers within the tier's limits | workgroup memory is checked by nobody else: crash or hang |
//!
//! Rules look at naga's typed module, not at text. Functions that the entry point does not call count too: the device
//! validates them as well.

#[cfg(test)]
mod tests;

use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{
    BinaryOperator, BuiltIn, Expression, Function, Handle, MathFunction, Module, RelationalFunction, Scalar,
    ScalarKind, Span, TypeInner,
};

use crate::request::Needs;
use crate::tier::Tier;

/// Largest third dimension of a workgroup that every adapter has (WebGPU's default limit).
const MAX_WORKGROUP_DEPTH: u32 = 64;

/// A violated rule and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finding {
    /// In the composed text; undefined where it concerns the whole stage.
    pub span: Span,
    /// What is wrong and what to do instead.
    pub reason: String,
}

impl Finding {
    fn new(span: Span, reason: impl Into<String>) -> Self {
        Finding { span, reason: reason.into() }
    }
}

/// Applies the rules on types and expressions. Answers which features the module needs.
pub(crate) fn lint(module: &Module, info: &ModuleInfo, tier: &Tier) -> Result<Needs, Finding> {
    let mut lint = Lint { module, tier, needs: Needs::default() };
    // The order is that of the best origins: naga gives types of values no place in the text.
    for (handle, function) in module.functions.iter() {
        lint.function(function, &info[handle], module.functions.get_span(handle))?;
    }
    for (index, entry) in module.entry_points.iter().enumerate() {
        lint.function(&entry.function, info.get_entry_point(index), Span::UNDEFINED)?;
    }
    for (handle, _) in module.global_expressions.iter() {
        lint.ty(info[handle].inner_with(&module.types), module.global_expressions.get_span(handle))?;
    }
    for (handle, variable) in module.global_variables.iter() {
        lint.ty(&module.types[variable.ty].inner, module.global_variables.get_span(handle))?;
    }
    for (handle, ty) in module.types.iter() {
        lint.ty(&ty.inner, module.types.get_span(handle))?;
    }
    Ok(lint.needs)
}

/// Refuses more storage buffers than the tier binds.
pub(crate) fn binding_count(count: usize, tier: &Tier) -> Result<(), Finding> {
    if count <= tier.storage_buffers as usize {
        return Ok(());
    }
    let reason =
        format!("{count} storage buffers, of {} that the tier binds to a stage", tier.storage_buffers);
    Err(Finding::new(Span::UNDEFINED, reason))
}

/// Refuses workgroups that are larger than the tier allows. Nobody else checks the memory before a driver crashes.
pub(crate) fn workgroup(size: [u32; 3], bytes: u32, tier: &Tier) -> Result<(), Finding> {
    let refuse = |reason: String| Err(Finding::new(Span::UNDEFINED, reason));
    let invocations: u64 = size.iter().map(|&n| u64::from(n)).fold(1, u64::saturating_mul);
    if invocations > u64::from(tier.workgroup_invocations) || size[2] > MAX_WORKGROUP_DEPTH {
        return refuse(format!(
            "workgroup size {size:?}, of {} invocations allowed",
            tier.workgroup_invocations
        ));
    }
    if bytes > tier.workgroup_bytes {
        return refuse(format!("{bytes} bytes of workgroup memory, of {} allowed", tier.workgroup_bytes));
    }
    Ok(())
}

struct Lint<'a> {
    module: &'a Module,
    tier: &'a Tier,
    needs: Needs,
}

impl Lint<'_> {
    fn function(&mut self, function: &Function, info: &FunctionInfo, span: Span) -> Result<(), Finding> {
        let results = function.result.iter().map(|result| &result.binding);
        for binding in function.arguments.iter().map(|argument| &argument.binding).chain(results) {
            self.built_in(binding.as_ref(), span)?;
        }
        for (handle, expression) in function.expressions.iter() {
            let span = function.expressions.get_span(handle);
            self.ty(info[handle].ty.inner_with(&self.module.types), span)?;
            self.expression(function, info, expression, span)?;
        }
        Ok(())
    }

    fn expression(
        &mut self,
        function: &Function,
        info: &FunctionInfo,
        expression: &Expression,
        span: Span,
    ) -> Result<(), Finding> {
        let scalar_of = |handle: Handle<Expression>| info[handle].ty.inner_with(&self.module.types).scalar();
        match *expression {
            Expression::SubgroupBallotResult | Expression::SubgroupOperationResult { .. } => {
                self.subgroups(span)
            }
            Expression::Math { fun, arg, .. } => math(fun, scalar_of(arg), span),
            Expression::Relational { fun: RelationalFunction::IsNan | RelationalFunction::IsInf, .. } => {
                Err(Finding::new(span, "NaN and infinity tests are unreliable: test the bits"))
            }
            Expression::Binary { op: BinaryOperator::Equal | BinaryOperator::NotEqual, left, right }
                if scalar_of(left).is_some_and(|scalar| scalar.kind == ScalarKind::Float)
                    && same(function, left, right) =>
            {
                Err(Finding::new(span, "a float compared with itself does not find NaN: test the bits"))
            }
            _ => Ok(()),
        }
    }

    fn ty(&mut self, inner: &TypeInner, span: Span) -> Result<(), Finding> {
        if let TypeInner::Atomic(Scalar { width: 8, .. }) = inner {
            return Err(Finding::new(span, "64-bit atomics are in no tier: use two words with carry"));
        }
        if let TypeInner::Struct { members, .. } = inner {
            for member in members {
                self.built_in(member.binding.as_ref(), span)?;
            }
        }
        match inner.scalar() {
            Some(Scalar { kind: ScalarKind::Float, width: 8 }) => {
                self.needs.float64 = true;
                self.within_tier(self.tier.float64, "f64", span)
            }
            Some(Scalar { kind: ScalarKind::Sint | ScalarKind::Uint, width: 8 }) => {
                self.needs.int64 = true;
                self.within_tier(self.tier.int64, "64-bit integers", span)
            }
            _ => Ok(()),
        }
    }

    fn built_in(&mut self, binding: Option<&naga::Binding>, span: Span) -> Result<(), Finding> {
        use BuiltIn::{NumSubgroups, SubgroupId, SubgroupInvocationId, SubgroupSize};
        match binding {
            Some(naga::Binding::BuiltIn(NumSubgroups | SubgroupId | SubgroupInvocationId | SubgroupSize)) => {
                self.subgroups(span)
            }
            _ => Ok(()),
        }
    }

    fn subgroups(&mut self, span: Span) -> Result<(), Finding> {
        self.needs.subgroups = true;
        self.within_tier(self.tier.subgroups, "subgroup operations", span)
    }

    fn within_tier(&self, has: bool, what: &str, span: Span) -> Result<(), Finding> {
        if has {
            return Ok(());
        }
        Err(Finding::new(span, format!("{what} are not in tier `{}`", self.tier.name())))
    }
}

/// Built-ins of 64-bit operands that adapters were measured to get right.
fn math(fun: MathFunction, operand: Option<Scalar>, span: Span) -> Result<(), Finding> {
    use MathFunction::{Abs, Ceil, Clamp, Floor, Fma, Max, Min, Sign, Sqrt, Trunc};
    let (right, what) = match operand {
        Some(Scalar { kind: ScalarKind::Float, width: 8 }) => {
            (matches!(fun, Abs | Ceil | Clamp | Floor | Fma | Max | Min | Sign | Sqrt | Trunc), "f64")
        }
        Some(Scalar { kind: ScalarKind::Sint | ScalarKind::Uint, width: 8 }) => {
            (matches!(fun, Abs | Max | Min), "64-bit integers: build it from 32-bit words")
        }
        _ => return Ok(()),
    };
    if right { Ok(()) } else { Err(Finding::new(span, format!("adapters get {fun:?} wrong on {what}"))) }
}

/// Both expressions denote the same value: the same handle, or the same path to it.
fn same(function: &Function, left: Handle<Expression>, right: Handle<Expression>) -> bool {
    use Expression::{
        Access, AccessIndex, Constant, FunctionArgument, GlobalVariable, Literal, Load, LocalVariable,
        Override, Swizzle,
    };
    if left == right {
        return true;
    }
    match (&function.expressions[left], &function.expressions[right]) {
        (Load { pointer: a }, Load { pointer: b }) => same(function, *a, *b),
        (Access { base: a, index: i }, Access { base: b, index: j }) => {
            same(function, *a, *b) && same(function, *i, *j)
        }
        (AccessIndex { base: a, index: i }, AccessIndex { base: b, index: j }) => {
            i == j && same(function, *a, *b)
        }
        (Swizzle { vector: a, size: m, pattern: p }, Swizzle { vector: b, size: n, pattern: q }) => {
            (m, p) == (n, q) && same(function, *a, *b)
        }
        (
            a @ (Literal(_) | Constant(_) | Override(_) | FunctionArgument(_) | GlobalVariable(_)
            | LocalVariable(_)),
            b,
        ) => a == b,
        _ => false,
    }
}

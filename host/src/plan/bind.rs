//! Plans whose inputs are put in later: an engine lowers a plan once and runs it with streams of its own each time.

use std::sync::Arc;

use pilaster_kernels::{Error, Result};

use super::{BatchSource, Node, Operator, Plan};

/// Gives the source that takes the place of another.
pub type Bind<'a> = dyn FnMut(&Arc<dyn BatchSource>) -> Result<Arc<dyn BatchSource>> + 'a;

impl Plan {
    /// This plan with every input `source` replaced by `bind(source)`, whose schema must be the same.
    ///
    /// # Errors
    /// What `bind` raises; [`Error::InvalidInput`] where a schema differs.
    pub fn map_inputs(&self, bind: &mut Bind<'_>) -> Result<Plan> {
        let operator = match &self.0.operator {
            Operator::Input(source) => Operator::Input(bound(source, bind)?),
            other => other.clone(),
        };
        let inputs = self.0.inputs.iter().map(|input| input.map_inputs(bind)).collect::<Result<Vec<_>>>()?;
        let (schema, depth) = (Arc::clone(&self.0.schema), self.0.depth);
        Ok(Plan(Arc::new(Node { operator, schema, inputs, depth })))
    }
}

fn bound(source: &Arc<dyn BatchSource>, bind: &mut Bind<'_>) -> Result<Arc<dyn BatchSource>> {
    let replacement = bind(source)?;
    if replacement.schema().fields() != source.schema().fields() {
        return Err(Error::invalid("an input was replaced by one of another schema"));
    }
    Ok(replacement)
}

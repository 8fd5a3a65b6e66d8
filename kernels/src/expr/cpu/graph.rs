//! Expressions as a graph in which equal subtrees are one node.

use std::collections::HashMap;

use arrow::datatypes::DataType;

use crate::expr::Expr;

/// Index of a node.
pub(crate) type NodeId = usize;

/// One operation; its operands come before it.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) expr: Expr,
    pub(crate) children: Vec<NodeId>,
    pub(crate) data_type: DataType,
}

/// Several expressions over one batch.
#[derive(Debug, Clone, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    /// One per expression.
    pub(crate) roots: Vec<NodeId>,
    columns: HashMap<usize, NodeId>,
}

impl Graph {
    pub(crate) fn new<'e>(exprs: impl IntoIterator<Item = &'e Expr>) -> Self {
        let mut graph = Self::default();
        let mut known = HashMap::new();
        for expr in exprs {
            let root = graph.add(expr, &mut known);
            graph.roots.push(root);
        }
        graph
    }

    /// The node that loads column `index`.
    pub(crate) fn column(&self, index: usize) -> Option<NodeId> {
        self.columns.get(&index).copied()
    }

    fn add<'e>(&mut self, expr: &'e Expr, known: &mut HashMap<&'e Expr, NodeId>) -> NodeId {
        if let Some(&node) = known.get(expr) {
            return node;
        }
        let children = expr.children().map(|child| self.add(child, known)).collect();
        let node = self.nodes.len();
        self.nodes.push(Node { expr: expr.clone(), children, data_type: expr.data_type() });
        if let Expr::Column { index, .. } = expr {
            self.columns.entry(*index).or_insert(node);
        }
        known.insert(expr, node);
        node
    }
}

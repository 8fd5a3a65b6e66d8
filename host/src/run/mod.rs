//! Pipelines, morsels, cancellation.

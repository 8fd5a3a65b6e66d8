//! Hand-computed expectations, feature by feature.

//! DataFusion with Pilaster against DataFusion without.

#[path = "backend/agreement.rs"]
mod agreement;
#[path = "backend/explain.rs"]
mod explain;
#[path = "backend/faults.rs"]
mod faults;
#[path = "backend/fixture.rs"]
mod fixture;

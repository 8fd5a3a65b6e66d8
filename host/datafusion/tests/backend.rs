//! DataFusion with Pilaster against DataFusion without.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by failing")]

#[path = "backend/aggregates.rs"]
mod aggregates;
#[path = "backend/agreement.rs"]
mod agreement;
#[path = "backend/explain.rs"]
mod explain;
#[path = "backend/faults.rs"]
mod faults;
#[path = "backend/fixture.rs"]
mod fixture;
#[path = "backend/scans.rs"]
mod scans;

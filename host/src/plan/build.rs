//! Constructors that check a plan.

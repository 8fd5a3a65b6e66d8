//! Loss, refusal, cancellation, time limit.

//! Interval arithmetic: which results cannot overflow.

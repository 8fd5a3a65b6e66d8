//! Constructors that check types once.

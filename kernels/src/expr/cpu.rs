//! Vectorised evaluation on the CPU.

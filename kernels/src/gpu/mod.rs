//! What the GPU is asked to do, as data: columns as device words, and programs of dispatches. The host executes them.

pub mod column;
pub mod program;

pub use column::{ColumnLayout, DeviceBatch, Dictionary, Storage};
pub use program::{BufferId, BufferInit, BufferRange, Program, ProgramOutput, Stage, Workgroups};

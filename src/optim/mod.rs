//! From gradients to better parameters: clipping, the learning rate's schedule, Adam, and an average
//! of the weights. All of them are loops over flat buffers of one [`crate::params::Layout`].

pub mod adam;
pub mod average;
pub mod clip;
pub mod schedule;

pub use adam::{Adam, AdamConfig};
pub use average::Average;
pub use clip::{clip, global_norm};
pub use schedule::{Course, Schedule, Warmup};

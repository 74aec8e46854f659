//! Variational autoencoders from scratch: every gradient derived by hand, proved by finite
//! differences, and fast.

pub mod check;
pub mod data;
pub mod distribution;
pub mod error;
pub mod evaluate;
pub mod family;
pub mod gemm;
pub mod gradcheck;
pub mod math;
#[cfg(feature = "model-file")]
pub mod model_file;
pub mod nn;
pub mod objective;
pub mod optim;
pub mod parallel;
pub mod params;
#[cfg(feature = "cli")]
pub mod plot;
pub mod prior;
pub mod real;
pub mod rng;
pub mod simd;
pub mod train;
pub mod vae;

pub use error::{Error, Result};

//! Layers: each with a forward and a backward, side by side in one file.
//!
//! A layer holds places in the flat parameter buffer ([`crate::params`]), not numbers. Forward takes
//! the parameters; backward adds (`+=`) to a gradient buffer of the same layout and overwrites the
//! gradient with respect to its input, where that is asked for.

pub mod activation;
pub mod dense;
pub mod mlp;

pub use activation::Activation;
pub use dense::{Dense, Init};
pub use mlp::{Mlp, MlpBuffers};

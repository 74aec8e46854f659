//! Layers: each with a forward and a backward, side by side in one file.
//!
//! A layer holds places in the flat parameter buffer ([`crate::params`]), not numbers. Forward takes
//! the parameters; backward adds (`+=`) to a gradient buffer of the same layout and overwrites the
//! gradient with respect to its input, where that is asked for. A [`Network`] is layers in a row and a
//! linear head.
//!
//! To add a layer: write its file, ending in a `member()` function, and add its name to the list below.

pub mod activation;
pub mod layer;
pub mod linear;
pub mod network;

pub use activation::Activation;
pub use layer::{Call, Layer, Plan, Trace};
pub use linear::Linear;
pub use network::{Network, NetworkBuffers};

use crate::family::{Member, Spec, family};

family!(Plan, "layer": dense, dropout, gated, residual, layer_norm, batch_norm);

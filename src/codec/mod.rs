//! Compression without loss by a trained model: bits back over the chain.
//!
//! A stack of bits ([`stack`]); whole numbers on it by their distribution function, the same function in both
//! directions ([`symbol`]); latents as bins ([`bins`]) and data as numbers ([`book`]); and a row of both ([`row`]). Rows make a block ([`block`]), what their bytes are is a frame's to say ([`frame`]), and
//! blocks make an archive ([`archive`]).

pub mod archive;
pub mod bins;
pub mod block;
pub mod book;
mod bytes;
mod embed;
pub mod frame;
pub mod row;
pub mod stack;
pub mod symbol;
pub use embed::{pack, unpack};

//! Compression without loss by a trained model: bits back over the chain.
//!
//! A stack of bits ([`stack`]); whole numbers on it by their distribution function, the same function in both
//! directions ([`symbol`]); latents as bins ([`bins`]) and data as numbers ([`book`]); and a row of both ([`row`]).

pub mod bins;
pub mod book;
pub mod row;
pub mod stack;
pub mod symbol;

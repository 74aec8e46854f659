//! Compression without loss: the stack, every member's symbols, and chains of levels.
#![cfg(feature = "codec")]

mod archives;
mod chains;
mod hostile;
mod members;
mod reference;

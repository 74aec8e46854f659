//! Pictures.

pub mod grid;

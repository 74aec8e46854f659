//! The command line, run as a user runs it: the program that is installed, in a folder of its own.
//!
//! [`lab`] is the folder and how to look at it. The tests ask for the contracts of DESIGN.md:
//! the same bits whatever interrupts a run, the promised files and JSON keys, and for everything
//! that can be wrong one line that says so.
#![cfg(feature = "cli")]

mod aggregate;
#[cfg(feature = "codec")]
mod archives;
mod arrays;
mod conditions;
mod defaults;
mod determinism;
mod exports;
mod failures;
mod folders;
mod kinds;
mod lab;
mod outputs;
mod pictures;
mod published;
mod python;
mod recovery;
mod refusals;
mod rows;
mod score;
mod stopping;
mod tables;
mod wanted;

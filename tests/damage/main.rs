//! Files as a bad disk, a bad connection or a bad neighbour leaves them.
//!
//! Every property writes a valid file of a random small shape, damages it, and holds what reading it
//! does against the contract: no panic, an error of one line that names the file, a result that is
//! consistent in itself, and no request for memory that the file does not justify. Undamaged files
//! must come back as what was written.
//!
//! The cases are the same in every run. `PROPTEST_CASES=100000 PROPTEST_RNG_SEED=7` tries others;
//! `fuzz/` looks where no generator thinks of looking.
#![cfg(feature = "cli")]

mod checkpoint;
#[allow(unreachable_pub)] // `fuzz/` shares it
mod contract;
mod csv;
mod damages;
mod idx;
mod images;
mod model;
mod npy;
mod npz;
#[cfg(feature = "parquet")]
mod parquet;
mod requests;

use proptest::test_runner::{Config, RngSeed};

/// `cases` cases, the same ones in every run unless the environment says otherwise.
fn cases(cases: u32) -> Config {
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = cases;
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0);
    }
    config
}

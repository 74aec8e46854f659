//! The fused multiply–adds that the processor can do if it never waits for memory:
//! `cargo bench --bench peak [-- THREADS]` prints FLOP/s. Shares of the peak are shares of this.

use elbo::parallel;

mod common {
    pub(crate) mod peak;
}

fn main() {
    let threads = std::env::args().find_map(|a| a.parse().ok()).unwrap_or_else(parallel::threads);
    println!("{:.4e}", common::peak::flops_per_second(threads));
}

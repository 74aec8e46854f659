//! The fused multiply–adds that the processor can do if it never waits for memory:
//! `cargo bench --bench peak [-- THREADS]` prints FLOP/s, and what each instruction set and the crate's
//! products do beside it. Shares of the peak are shares of this.

use elbo::parallel;

mod common {
    pub(crate) mod peak;
}

fn main() {
    if let Some(threads) = std::env::args().find_map(|a| a.parse().ok()) {
        parallel::set_threads(threads).expect("before the pool's first use");
    }
    println!("{:.4e}", common::peak::flops_per_second());
}

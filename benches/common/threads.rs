//! How many threads a bench may use.

/// Makes `ELBO_THREADS`, if there is one, the number of threads.
pub(crate) fn from_environment() {
    if let Some(threads) = std::env::var("ELBO_THREADS").ok().and_then(|t| t.parse().ok()) {
        elbo::parallel::set_threads(threads).expect("before the pool's first use");
    }
}

//! The fused multiply–adds that the processor can do if it never waits for memory.
//!
//! Written in vectors: what a compiler makes of a loop over plain numbers is not what the processor can
//! do (on one with AVX-512 it was a thirtieth of it).

use elbo::gemm::{Accum, matmul};
use elbo::parallel;
use ndarray::Array2;
use pulp::{Simd, WithSimd};
use std::hint::black_box;
use std::time::Instant;

/// Multiply–adds in flight; each of two units has one in every stage of a pipeline of four or five.
const CHAINS: usize = 12;
const STEPS: usize = 2_000_000;

/// x ← a x + b in CHAINS vectors, STEPS times. Gives the operations that this was, on one thread.
struct Chains;

impl WithSimd for Chains {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let (a, b) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(1e-3)));
        let mut x = [simd.splat_f32s(1.0); CHAINS];
        for _ in 0..STEPS {
            for x in &mut x {
                *x = simd.mul_add_f32s(*x, a, b);
            }
        }
        black_box(x.map(
            #[inline(always)]
            |x| simd.reduce_sum_f32s(x),
        ));
        2 * CHAINS * STEPS * S::F32_LANES
    }
}

/// Runs the chains at some level.
type Run = fn() -> usize;

/// The instruction sets with fused multiply–adds that this processor has, by name, with the chains for each.
fn levels() -> Vec<(&'static str, Run)> {
    #[cfg(target_arch = "x86_64")]
    return [
        ("AVX-512", pulp::x86::V4::try_new().map(|_| avx512 as Run)),
        ("AVX2", pulp::x86::V3::try_new().map(|_| avx2 as Run)),
    ]
    .into_iter()
    .filter_map(|(name, run)| Some((name, run?)))
    .collect();
    #[cfg(target_arch = "aarch64")]
    return vec![("NEON", neon)];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    return Vec::new();
}

#[cfg(target_arch = "x86_64")]
fn avx512() -> usize {
    Simd::vectorize(pulp::x86::V4::try_new().expect("it was there"), Chains)
}

#[cfg(target_arch = "x86_64")]
fn avx2() -> usize {
    Simd::vectorize(pulp::x86::V3::try_new().expect("it was there"), Chains)
}

#[cfg(target_arch = "aarch64")]
fn neon() -> usize {
    Simd::vectorize(pulp::aarch64::Neon::try_new().expect("it was there"), Chains)
}

/// `run` on so many threads; gives the sum of its operations.
fn everywhere(threads: usize, run: Run) -> usize {
    match threads {
        1 => run(),
        n => {
            let (a, b) = parallel::join(|| everywhere(n / 2, run), || everywhere(n - n / 2, run));
            a + b
        }
    }
}

/// FLOP/s, the best of ten looks. `run` gives the operations that it was.
fn best(mut run: impl FnMut() -> usize) -> f64 {
    let mut look = || {
        let start = Instant::now();
        run() as f64 / start.elapsed().as_secs_f64()
    };
    (0..10).map(|_| look()).fold(0.0, f64::max)
}

/// The same of the crate's products, on all threads, which have other things to do too.
fn of_products() -> f64 {
    let (m, k, n) = (512, 768, 512);
    let (a, b) = (Array2::from_elem((m, k), 0.5f32), Array2::from_elem((k, n), 0.25));
    let mut c = Array2::zeros((m, n));
    let mut product = || {
        matmul(&mut c.view_mut(), &a.view(), &b.view(), Accum::Replace);
        black_box(&c);
        2 * m * k * n
    };
    parallel::enter(|| best(|| (0..20).map(|_| product()).sum()))
}

/// FLOP/s of all threads at the best level.
///
/// # Panics
/// If the processor has no level with fused multiply–adds, or products come out faster: then this is
/// not the peak.
pub(crate) fn flops_per_second() -> f64 {
    let threads = parallel::threads();
    let rates = levels().into_iter().map(|(name, run)| (name, best(|| everywhere(threads, run))));
    let rates = rates.inspect(|(name, rate)| eprintln!("{name}: {:.1} GFLOP/s", rate / 1e9));
    let peak = rates.map(|(_, rate)| rate).fold(0.0, f64::max);
    assert!(peak > 0.0, "this processor has no fused multiply–adds to measure");
    let products = of_products();
    eprintln!("products: {:.1} GFLOP/s", products / 1e9);
    assert!(
        products <= peak,
        "products do {products:.3e} FLOP/s, more than the peak of {peak:.3e}"
    );
    peak
}

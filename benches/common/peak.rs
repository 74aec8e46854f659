//! The fused multiply–adds that the processor can do if it never waits for memory.

use elbo::parallel;
use elbo::simd::{self, Level};
use std::hint::black_box;
use std::time::Instant;

/// Multiply–adds in flight; each of two units has one in every stage of a pipeline of four or five.
const CHAINS: usize = 12;
const STEPS: usize = 2_000_000;

/// x ← a x + b in CHAINS vectors of L lanes, STEPS times.
#[inline(always)]
fn chains<const L: usize>(a: f32, b: f32) -> f32 {
    let mut x = [[1f32; L]; CHAINS];
    for _ in 0..STEPS {
        for x in &mut x {
            for lane in x {
                *lane = lane.mul_add(a, b);
            }
        }
    }
    x.iter().flatten().sum()
}

fn lanes() -> usize {
    if simd::level() == Level::V4 { 16 } else { 8 }
}

fn work() {
    let (a, b) = (black_box(0.999), black_box(1e-3));
    simd::dispatch(
        #[inline(always)]
        || black_box(if lanes() == 16 { chains::<16>(a, b) } else { chains::<8>(a, b) }),
    );
}

fn everywhere(threads: usize) {
    match threads {
        1 => work(),
        n => {
            parallel::join(|| everywhere(n / 2), || everywhere(n - n / 2));
        }
    }
}

/// FLOP/s of so many threads, the best of ten looks.
pub(crate) fn flops_per_second(threads: usize) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let start = Instant::now();
        everywhere(threads);
        best = best.min(start.elapsed().as_secs_f64());
    }
    (2 * threads * CHAINS * lanes() * STEPS) as f64 / best
}

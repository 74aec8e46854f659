//! Products of which every multiply–add is rounded once, on any machine: where the processor has no fused multiply–adds,
//! in software.
//!
//! ```text
//! fma(a, b, c) = round(a b + c), a, b, c in single precision
//!   p = a b              exact in double precision: 24 + 24 bits of 53
//!   s = p + c, e         the sum and what it was rounded by (Knuth's two-sum, exact)
//!   s to odd             where e is not 0 and the last bit of s is, the neighbour on e's side: its last bit then says
//!                        that something is missing, so that rounding s to 24 bits is as good as rounding p + c
//! ```
//!
//! Source: Boldo & Melquiond 2008, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd".
//!
//! The sums are those of `kernel.rs`: chains of 256 terms from 0, each added to what is there. So the bits are the same with
//! and without vectors ([`exactly`]).

use super::{Accum, Operand};
use ndarray::ArrayViewMut2;
use std::cell::Cell;

/// Terms of a chain; see `kernel.rs`.
const TERMS: usize = 256;

thread_local! {
    static IS_EXACT: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f`, in which products in single precision have the bits that fused multiply–adds give them, whatever this processor
/// has. Where it has none they are slow. For what must be the same on every machine; what `f` hands to other threads is not
/// meant.
pub fn exactly<R>(f: impl FnOnce() -> R) -> R {
    /// Puts it back, however `f` ends.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            IS_EXACT.set(self.0);
        }
    }
    let _before = Before(IS_EXACT.replace(true));
    f()
}

/// Whether products are asked to be so on this thread.
pub(super) fn is_exact() -> bool {
    IS_EXACT.get()
}

/// a b + c, rounded once.
#[inline(always)]
fn fma(a: f32, b: f32, c: f32) -> f32 {
    if cfg!(target_arch = "aarch64") {
        return a.mul_add(b, c); // an instruction
    }
    let (p, c) = (f64::from(a) * f64::from(b), f64::from(c));
    let s = p + c;
    let of_c = s - p;
    let lost = (p - (s - of_c)) + (c - of_c);
    // Away from 0 if what is lost has the sign of the sum. Of ∞ and NaN nothing is lost that is a number.
    let bits = s.to_bits();
    let away = (lost > 0.0) == (s > 0.0);
    let odd = if away { bits.wrapping_add(1) } else { bits.wrapping_sub(1) };
    let is_rounded = lost != 0.0 && !lost.is_nan() && bits & 1 == 0;
    f64::from_bits(if is_rounded { odd } else { bits }) as f32
}

/// `c ← start + a·b`; `a: [m, k]`, `b: [k, n]`, `c: [m, n]`.
pub(super) fn gemm(
    mut c: ArrayViewMut2<f32>,
    a: Operand<'_, f32>,
    b: Operand<'_, f32>,
    k: usize,
    start: Accum<'_, f32>,
) {
    let n = c.ncols();
    let (a_strides, b_strides) = (a.strides(), b.strides());
    let mut sums = vec![0.0; n];
    for (i, mut c) in c.rows_mut().into_iter().enumerate() {
        for first in (0..k).step_by(TERMS) {
            sums.fill(0.0);
            for k in first..k.min(first + TERMS) {
                let a = a.data[i * a_strides.0 + k * a_strides.1];
                let b = &b.data[k * b_strides.0..];
                match b_strides.1 {
                    1 => sums.iter_mut().zip(b).for_each(|(sum, b)| *sum = fma(a, *b, *sum)),
                    step => sums
                        .iter_mut()
                        .zip(b.iter().step_by(step))
                        .for_each(|(sum, b)| *sum = fma(a, *b, *sum)),
                }
            }
            for (j, (c, sum)) in c.iter_mut().zip(&sums).enumerate() {
                *c = match start {
                    _ if first > 0 => *c + sum,
                    Accum::Replace => *sum,
                    Accum::Add => *c + sum,
                    Accum::Row(row) => row[j] + sum,
                };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Address, Purpose};
    use rand::RngExt;

    /// Against the platform's, over random bits: all exponents, subnormal numbers, sums that nearly cancel and halves.
    #[test]
    fn a_multiply_add_is_rounded_once() {
        let mut rng = Address::new(1, Purpose::Check).rng();
        for i in 0..2_000_000 {
            let [a, b, mut c]: [f32; 3] = std::array::from_fn(|_| f32::from_bits(rng.random()));
            if i % 4 == 1 {
                c = -(a * b);
            } else if i % 4 == 2 {
                // A c whose last bit, or half of it, is that of the product.
                c = a * b * f32::from_bits(0x4b80_0000 + (rng.random::<u32>() & 7));
            }
            let (found, want) = (fma(a, b, c), a.mul_add(b, c));
            assert!(
                found.to_bits() == want.to_bits() || found.is_nan() && want.is_nan(),
                "{a:e} {b:e} {c:e}: {found:e} {want:e}"
            );
        }
    }
}

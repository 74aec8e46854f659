//! Elementary functions, written so that loops over them vectorise, and sums in a fixed order.
//!
//! | function | formula used | why |
//! |---|---|---|
//! | [`sigmoid`] | with e = exp(−\|x\|): 1/(1+e) for x ≥ 0, e/(1+e) otherwise | never overflows, keeps relative accuracy on both tails |
//! | [`softplus`] | max(x, 0) + ln(1 + exp(−\|x\|)) | the naive ln(1 + eˣ) overflows, and ln σ(x) is −∞ below x ≈ −104 in `f32` |
//! | [`log_sum_exp`] | m + ln Σ exp(xᵢ − m), m = max xᵢ of *that* row | a maximum shared by rows underflows the others |
//!
//! Sums run in sixteen interleaved lanes that are added in a fixed tree. The order of the additions
//! therefore depends on the length alone: the same bits with every instruction set and any number of threads.

pub mod gamma;
pub mod incomplete;
pub mod mean_exp;
pub mod normal;
pub mod portable;

use crate::real::Real;
use crate::simd;
use std::ops::Range;

/// Partial sums kept side by side: one AVX-512 register of `f32`.
const LANES: usize = 16;

/// Applies `f` along rows of equal length: `f` takes one element of each input and gives one of each
/// output, and a term. Returns Σ of the terms, in sixteen interleaved partial sums.
///
/// This is how a kernel computes a value and its gradient in one pass, compiled for the best
/// instruction set ([`crate::simd`]; mark `f` `#[inline(always)]`). Elements are handed over in blocks
/// of known size, so that the loop over a block has nothing to check and vectorises.
///
/// # Panics
/// If an input or output is shorter than the first input.
#[inline(always)]
pub fn map_sum<T: Real, S: Real, const I: usize, const O: usize>(
    outputs: [&mut [T]; O],
    inputs: [&[T]; I],
    f: impl Fn([T; I]) -> ([T; O], S),
) -> S {
    simd::dispatch(
        #[inline(always)]
        || {
            let mut blocks = Blocks::new(outputs, inputs);
            let mut sums = [[S::zero(); LANES]];
            blocks.fold(
                0..blocks.count(),
                &mut sums,
                #[inline(always)]
                |a, [sum]| {
                    let (out, term) = f(a);
                    (out, [sum + term])
                },
            );
            let [mut sums] = sums;
            blocks.add_rest(&mut sums, f);
            fold(sums)
        },
    )
}

/// Rows of equal length in blocks of [`LANES`], and what is behind the last whole one.
struct Blocks<'a, T, const I: usize, const O: usize> {
    outputs: [(&'a mut [[T; LANES]], &'a mut [T]); O],
    inputs: [(&'a [[T; LANES]], &'a [T]); I],
}

impl<'a, T: Real, const I: usize, const O: usize> Blocks<'a, T, I, O> {
    #[inline(always)]
    fn new(outputs: [&'a mut [T]; O], inputs: [&'a [T]; I]) -> Self {
        let n = inputs[0].len();
        let outputs = outputs.map(
            #[inline(always)]
            |a| a[..n].as_chunks_mut(),
        );
        let inputs = inputs.map(
            #[inline(always)]
            |a| a[..n].as_chunks(),
        );
        Blocks { outputs, inputs }
    }

    /// How many are whole.
    #[inline(always)]
    fn count(&self) -> usize {
        self.inputs[0].0.len()
    }

    /// Maps whole blocks; `f` gets and gives what stands in its element's lane of the sums as well.
    #[inline(always)]
    fn fold<S: Real, const N: usize>(
        &mut self,
        blocks: Range<usize>,
        sums: &mut [[S; LANES]; N],
        f: impl Fn([T; I], [S; N]) -> ([T; O], [S; N]),
    ) {
        let Blocks { outputs, inputs } = self;
        for block in blocks {
            let a: [[T; LANES]; I] = std::array::from_fn(
                #[inline(always)]
                |k| inputs[k].0[block],
            );
            let mut b = [[T::zero(); LANES]; O];
            for l in 0..LANES {
                let element = std::array::from_fn(
                    #[inline(always)]
                    |k| a[k][l],
                );
                let lane = std::array::from_fn(
                    #[inline(always)]
                    |k| sums[k][l],
                );
                let (out, lane) = f(element, lane);
                for k in 0..O {
                    b[k][l] = out[k];
                }
                for k in 0..N {
                    sums[k][l] = lane[k];
                }
            }
            for k in 0..O {
                outputs[k].0[block] = b[k];
            }
        }
    }

    /// Maps what is behind them, and adds its terms to the first lanes.
    #[inline(always)]
    fn add_rest<S: Real>(&mut self, sums: &mut [S; LANES], f: impl Fn([T; I]) -> ([T; O], S)) {
        let Blocks { outputs, inputs } = self;
        for (l, sum) in sums.iter_mut().enumerate().take(inputs[0].1.len()) {
            let (out, term) = f(std::array::from_fn(
                #[inline(always)]
                |k| inputs[k].1[l],
            ));
            for k in 0..O {
                outputs[k].1[l] = out[k];
            }
            *sum += term;
        }
    }
}

/// The lanes' sum, in a fixed tree.
#[inline(always)]
pub(crate) fn fold<T: Real>(lanes: [T; LANES]) -> T {
    fold_by(
        lanes,
        #[inline(always)]
        |a, b| a + b,
    )
}

#[inline(always)]
fn fold_by<T: Real>(mut lanes: [T; LANES], f: impl Fn(T, T) -> T) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for l in 0..half {
            lanes[l] = f(lanes[l], lanes[l + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Factors in (1, 2] of which a product is taken before its logarithm: 2⁹⁶ is far from overflow.
const FACTORS: usize = 96 / LANES;

/// As [`map_sum`], where `f` gives besides its outputs and term an u in [0, 1]: returns
/// Σ (term + ln(1 + u)).
///
/// ```text
/// Σ ln(1 + u_i) = ln Π (1 + u_i)
/// ```
///
/// One logarithm then serves 96 elements. What is lost in rounding c = 1 + u is known exactly,
/// δ = u − (c − 1), and ln(1 + u) = ln(c + δ) = ln c + δ/c + …, with c near 1 wherever u is so small
/// that δ matters: so the δ are added up instead, which is off by ε/4 an element at most. The product itself
/// is rounded at each factor, by ε/2 at most. Beside the rounding of the sum S, which is what adding up n
/// logarithms also costs, the error is below ¾ n ε: 7·10⁻⁵ nats for 784 values in `f32`. Mostly roundings
/// average out, to about ⅓ ε√n; where all u are equal, or so small that u² is lost, they go the same way,
/// and ⅓ n ε was seen. That is absolute: where S itself is as small, it has fewer digits than a sum of
/// logarithms would have.
#[inline(always)]
pub fn map_sum_ln_1p<T: Real, const I: usize, const O: usize>(
    outputs: [&mut [T]; O],
    inputs: [&[T]; I],
    f: impl Fn([T; I]) -> ([T; O], T, T),
) -> T {
    simd::dispatch(
        #[inline(always)]
        || {
            let mut blocks = Blocks::new(outputs, inputs);
            let (zeros, ones) = ([T::zero(); LANES], [T::one(); LANES]);
            let (mut sums, mut logarithms) = ([zeros, zeros, ones], T::zero());
            for first in (0..blocks.count()).step_by(FACTORS) {
                blocks.fold(
                    first..blocks.count().min(first + FACTORS),
                    &mut sums,
                    #[inline(always)]
                    |a, [sum, lost, product]| {
                        let (out, term, u) = f(a);
                        let c = T::one() + u;
                        (out, [sum + term, lost + (u - (c - T::one())), product * c])
                    },
                );
                let product = fold_by(
                    sums[2],
                    #[inline(always)]
                    |a, b| a * b,
                );
                logarithms += product.ln();
                sums[2] = ones;
            }
            let [mut sums, lost, _] = sums;
            blocks.add_rest(
                &mut sums,
                #[inline(always)]
                |a| {
                    let (out, term, u) = f(a);
                    (out, term + u.ln_1p_unit())
                },
            );
            fold(sums) + (fold(lost) + logarithms)
        },
    )
}

/// σ(x) = 1 / (1 + e⁻ˣ)
#[inline(always)]
pub fn sigmoid<T: Real>(x: T) -> T {
    softplus_sigmoid_parts(x).1
}

/// softplus(x) = ln(1 + eˣ)
#[inline(always)]
pub fn softplus<T: Real>(x: T) -> T {
    let e = (-x.abs()).exp();
    x.max(T::zero()) + e.ln_1p_unit()
}

/// (exp(−|x|), σ(x)), sharing the one exponential. σ is softplus's derivative, and softplus is
/// max(x, 0) + ln(1 + exp(−|x|)): a forward and a backward pass want both.
#[inline(always)]
pub fn softplus_sigmoid_parts<T: Real>(x: T) -> (T, T) {
    let e = (-x.abs()).exp();
    let numerator = if x < T::zero() { e } else { T::one() };
    (e, numerator / (T::one() + e))
}

/// Σ of a row.
pub fn sum<T: Real>(x: &[T]) -> T {
    map_sum(
        [],
        [x],
        #[inline(always)]
        |[x]| ([], x),
    )
}

/// The largest element; NaN if there is one among them.
fn largest<T: Real>(x: &[T]) -> T {
    // A comparison with NaN is false, so a NaN is taken in and never let go.
    let larger = |m: T, v: T| if m.is_nan() || v <= m { m } else { v };
    x.iter().fold(T::NEG_INFINITY, |m, &v| larger(m, v))
}

/// ln Σᵢ exp(xᵢ), by this slice's own maximum. −∞ for an empty slice or one of only −∞.
pub fn log_sum_exp<T: Real>(x: &[T]) -> T {
    let max = largest(x);
    if !max.is_finite() {
        return max; // all −∞, or +∞ (a difference of infinities would be NaN), or NaN
    }
    max + map_sum(
        [],
        [x],
        #[inline(always)]
        |[v]| ([], (v - max).exp()),
    )
    .ln()
}

/// `x ← softmax(x)`, and ln Σᵢ exp(xᵢ), sharing the exponentials.
///
/// The shares are exp(xᵢ − m)/Σ, not exp(xᵢ − ln Σ…): the logarithm of the sum is as large as the xᵢ
/// and rounded as coarsely, which every share would inherit as a relative error.
pub fn softmax<T: Real>(x: &mut [T]) -> T {
    let max = largest(x);
    if !max.is_finite() {
        x.fill(T::from_f64(f64::NAN)); // there are no shares of nothing, nor of ∞
        return max;
    }
    x.iter_mut().for_each(|v| *v = (*v - max).exp());
    let sum = map_sum(
        [],
        [&*x],
        #[inline(always)]
        |[v]| ([], v),
    );
    x.iter_mut().for_each(|v| *v /= sum);
    max + sum.ln()
}

/// ln(2π)
pub const LN_2PI: f64 = 1.837_877_066_409_345_5;

/// Σ_i a_i b_i
#[inline]
pub fn dot<T: Real>(a: &[T], b: &[T]) -> T {
    map_sum(
        [],
        [a, b],
        #[inline(always)]
        |[a, b]| ([], a * b),
    )
}

/// |a − b|²
pub fn square_distance<T: Real>(a: &[T], b: &[T]) -> T {
    map_sum(
        [],
        [a, b],
        #[inline(always)]
        |[a, b]| ([], (a - b) * (a - b)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_agree_with_the_plain_order() {
        for n in [0, 1, 2, 15, 16, 17, 31, 33, 257] {
            let x: Vec<f64> = (1..=n).map(|i| (i as f64).sqrt()).collect();
            let mut doubled = vec![0.0; n];
            let sum = map_sum([&mut doubled], [&x, &x], |[a, b]| ([a + b], a));
            let plain: f64 = x.iter().sum();
            assert!(doubled.iter().zip(&x).all(|(d, x)| *d == 2.0 * x));
            assert!((sum - plain).abs() <= 1e-12 * plain.max(1.0), "n = {n}");
        }
    }

    /// Lengths around the lanes and the 96 factors; u from 1 down to where 1 + u rounds to 1.
    #[test]
    fn sums_of_logarithms_agree_with_the_plain_ones() {
        for n in [0, 1, 15, 16, 17, 95, 96, 97, 112, 784, 1000] {
            for scale in [1.0f32, 1e-3, 3e-8, 1e-12] {
                let u: Vec<f32> = (0..n).map(|i| scale * ((i * 37 % 101) as f32 / 100.0)).collect();
                let mut out = vec![0.0f32; n];
                // Each factor rounds the product by half an ε; factors of 1 do not.
                let rounding = if scale > 1e-6 { 1e-7 * (n as f64).sqrt() } else { 0.0 };
                let sum = map_sum_ln_1p([&mut out], [&u], |[u]| ([u + 1.0], 0.5, u));
                let exact: f64 = u.iter().map(|&u| 0.5 + (u as f64).ln_1p()).sum();
                assert!((sum as f64 - exact).abs() <= 1e-6 * exact, "{n} {scale}: {sum} {exact}");
                let sum = map_sum_ln_1p([], [&u], |[u]| ([], 0.0, u));
                let exact: f64 = u.iter().map(|&u| (u as f64).ln_1p()).sum();
                let error = (sum as f64 - exact).abs();
                assert!(error <= 1e-6 * exact + rounding, "{n} {scale}: {sum} {exact}");
                assert!(out.iter().zip(&u).all(|(o, u)| *o == u + 1.0));
            }
        }
    }

    /// The stated bound, where roundings average out and where they do not: u that differ, equal ones, and
    /// ones whose squares are lost.
    #[test]
    fn sums_of_logarithms_keep_their_bound() {
        let epsilon = f64::from(f32::EPSILON);
        for n in [96, 784, 4800] {
            for scale in [1.0f32, 0.6, 0.03, 5e-3, 3e-4, 1e-4, 1e-6] {
                let differing: Vec<f32> =
                    (0..n).map(|i| scale * ((i * 37 % 101) as f32 / 100.0)).collect();
                for u in [differing, vec![scale; n]] {
                    let sum = map_sum_ln_1p([], [&u], |[u]| ([], 0.0, u));
                    let exact: f64 = u.iter().map(|&u| f64::from(u).ln_1p()).sum();
                    // One rounded addition for 96 elements, one logarithm each, and the last sum.
                    let sums = exact * (n as f64 / 96.0 + 3.0) / 2.0;
                    let error = (f64::from(sum) - exact).abs();
                    let bound = epsilon * (0.75 * n as f64 + sums);
                    assert!(error <= bound, "{n} {scale}: {error:e} above {bound:e}");
                }
            }
        }
    }

    #[test]
    fn softplus_and_sigmoid_hold_at_the_extremes() {
        for x in [-1e4f32, -104.0, -18.0, 0.0, 18.0, 104.0, 1e4] {
            let (softplus, sigmoid) = (softplus(x), sigmoid(x));
            let exact = (x as f64).max(0.0) + (-(x as f64).abs()).exp().ln_1p();
            assert!(softplus.is_finite() && (0.0..=1.0).contains(&sigmoid));
            assert!((softplus as f64 - exact).abs() <= 1e-6 * exact.max(1e-30) + 1e-37, "{x}");
        }
        assert_eq!(sigmoid(0.0f64), 0.5);
        assert_eq!(softplus(1000.0f64), 1000.0);
    }

    #[test]
    fn log_sum_exp_of_far_apart_and_empty_rows() {
        assert_eq!(log_sum_exp::<f64>(&[]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[f64::NEG_INFINITY; 3]), f64::NEG_INFINITY);
        assert_eq!(log_sum_exp(&[-1e6f64, -1e6]), -1e6 + 2f64.ln());
        assert!(log_sum_exp(&[f64::NAN, 1.0]).is_nan());
        assert!(log_sum_exp(&[1.0, f64::NAN, 0.0]).is_nan());
        assert!(log_sum_exp(&[f64::NAN]).is_nan());
        assert!(log_sum_exp(&[f64::NAN, f64::INFINITY]).is_nan());
        assert_eq!(log_sum_exp(&[3.0, f64::INFINITY]), f64::INFINITY);
    }

    #[test]
    fn ln_2pi_is_right() {
        // One unit in the last place apart: TAU itself is rounded.
        assert!((LN_2PI - std::f64::consts::TAU.ln()).abs() <= f64::EPSILON);
    }
}

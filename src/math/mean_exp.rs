//! The logarithm of the mean of an exponential over an interval, which bins and truncated exponentials are
//! normalised by.
//!
//! ```text
//! L(a) = ln ∫₀¹ e^{−a u} du = ln (1 − e^{−a})/a,   a ≥ 0
//! L′(a) = 1/(eᵃ − 1) − 1/a
//! ```
//!
//! Both differences cancel where a is small: in `f32` at a = 10⁻³ four digits are left. With y = a/2,
//! (1 − e^{−a})/a = e^{−y} sinh(y)/y, so below a = 1 the series of ln(sinh y/y) is taken,
//!
//! ```text
//! L(a) = −y + Σ_n c_n y²ⁿ,   c_n = 2²ⁿ B₂ₙ/(2n (2n)!) = 1/6, −1/180, 1/2835, …      (B₂ₙ: Bernoulli's numbers)
//! L′(a) = −½ + ½ Σ_n 2n c_n y²ⁿ⁻¹
//! ```
//!
//! whose nine terms are off by less than 10⁻¹⁶ there.

use crate::real::Real;

/// c_9 … c_1
const SERIES: [f64; 9] = [
    1.250_445_053_882_677_5e-10,
    -1.388_431_504_610_982_5e-9,
    1.566_114_145_559_008_7e-8,
    -1.803_700_599_896_395_2e-7,
    2.137_779_915_557_693e-6,
    -2.645_502_645_502_645_5e-5,
    3.527_336_860_670_194e-4,
    -5.555_555_555_555_556e-3,
    0.166_666_666_666_666_66,
];

/// L(a) and L′(a), for a ≥ 0.
#[inline(always)]
pub fn ln_mean_exp<T: Real>(a: T) -> (T, T) {
    let (one, half) = (T::one(), T::from_f64(0.5));
    let y = half * a;
    let (square, mut sum, mut slope) = (y * y, T::zero(), T::zero());
    for (i, c) in SERIES.iter().enumerate() {
        sum = (sum + T::from_f64(*c)) * square;
        // Of the term c y²ⁿ the slope is 2n c y²ⁿ⁻¹; one y is multiplied in at the end.
        slope = slope * square + T::from_f64((SERIES.len() - i) as f64 * 2.0 * c);
    }
    let near = (sum - y, half * (y * slope - one));
    let e = (-a).exp();
    let rest = one - e;
    // What is chosen for a small a divides by 1 in its place.
    let (safe, rest) = if a < one { (one, one) } else { (a, rest) };
    let far = ((rest / safe).ln(), e / rest - one / safe);
    if a < one { near } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the closed form with expm1 where that has digits, in both types, and the slope by differences.
    #[test]
    fn it_meets_the_closed_form() {
        for a in [1e-3, 0.1, 0.5, 0.999_999, 1.0, 1.5, 7.0, 30.0, 1e4] {
            let exact: f64 = (-f64::exp_m1(-a) / a).ln();
            let (value, slope) = ln_mean_exp(a);
            assert!((value - exact).abs() < 1e-12 * exact.abs().max(1e-3), "{a}: {value} {exact}");
            let h = 1e-4 * a;
            let d = |h: f64| (ln_mean_exp(a + h).0 - ln_mean_exp(a - h).0) / (2.0 * h);
            let numeric = (4.0 * d(h / 2.0) - d(h)) / 3.0;
            assert!((slope - numeric).abs() < 1e-8, "{a}: {slope} {numeric}");
            let (single, single_slope) = ln_mean_exp(a as f32);
            assert!(
                (f64::from(single) - exact).abs() < 4e-7 * exact.abs().max(1e-6),
                "{a}: {single}"
            );
            assert!((f64::from(single_slope) - slope).abs() < 1e-6, "{a}: {single_slope}");
        }
        assert_eq!(ln_mean_exp(0.0f64), (0.0, -0.5));
    }
}

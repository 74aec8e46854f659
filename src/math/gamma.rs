//! The gamma function's logarithm and its derivative, in `f64`: their differences, which is what densities
//! are made of, have no digits left in `f32` (lnΓ(10⁶) = 1.3·10⁷). Their bits are the same on every machine.
//!
//! | function | formula used | why |
//! |---|---|---|
//! | [`ln_gamma`] | ln Γ(x) = ln Γ(x + n) − ln Π_{k<n} (x + k), up to x + n ≥ 10; there (x − ½) ln x − x + ½ ln 2π + S(x) | the series is then off by less than 10⁻¹⁵ |
//! | [`rise`] | below a = 10 the difference itself; from there (a − ½) ln(1 + y/a) + y ln(a + y) − y + S(a + y) − S(a), S Stirling's remainder Σ B₂ₙ/(2n(2n − 1) x²ⁿ⁻¹) | both ln Γ grow as a ln a, their difference as y ln a: at a = 10¹⁵ it would have no digit left |
//! | [`short_of`] | below k = 10 as it stands; from there ½ ln(k/2π) − S(k) | likewise |
//! | [`digamma`] | ψ(x) = ψ(x + n) − Σ_{k<n} 1/(x + k), up to x + n ≥ 10; there ln x − 1/2x − Σ B₂ₙ/(2n x²ⁿ) | the series (Abramowitz & Stegun 1964, 6.3.18) is then off by less than 10⁻¹⁵ |

use super::LN_2PI;
use super::portable::{ln, ln_1p};
use std::f64::consts::PI;

/// ln Γ(x), for x > 0.
#[inline]
pub fn ln_gamma(x: f64) -> f64 {
    let (mut far, mut product) = (x, 1.0);
    while far < FAR {
        product *= far;
        far += 1.0;
    }
    ((far - 0.5) * ln(far) - far) + 0.5 * LN_2PI + remainder(far) - ln(product)
}

/// ψ(x) = Γ′(x)/Γ(x), for x > 0.
#[inline]
pub fn digamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < FAR {
        shift += x.recip();
        x += 1.0;
    }
    ln(x) - 0.5 / x + slope_of_remainder(x) - shift
}

/// From here on the series are off by less than 10⁻¹⁵.
const FAR: f64 = 10.0;

/// ln Γ(a + y) − ln Γ(a) and its slope in a, ψ(a + y) − ψ(a), for a > 0 and y ≥ 0.
#[inline]
pub fn rise(a: f64, y: f64) -> (f64, f64) {
    if a < FAR {
        return (ln_gamma(a + y) - ln_gamma(a), digamma(a + y) - digamma(a));
    }
    let (b, ln_ratio) = (a + y, ln_1p(y / a));
    let value = ((a - 0.5) * ln_ratio - y) + y * ln(b) + (remainder(b) - remainder(a));
    // −1/2b + 1/2a
    let between = 0.5 * y / a / b;
    (value, ln_ratio + between + (slope_of_remainder(b) - slope_of_remainder(a)))
}

/// k ln k − k − ln Γ(k) and its slope ln k − ψ(k), for k > 0.
#[inline]
pub fn short_of(k: f64) -> (f64, f64) {
    if k < FAR {
        return (k * ln(k) - k - ln_gamma(k), ln(k) - digamma(k));
    }
    (0.5 * ln(k / (2.0 * PI)) - remainder(k), 0.5 / k - slope_of_remainder(k))
}

/// S(x) = ln Γ(x) − [(x − ½) ln x − x + ½ ln 2π], for x ≥ [`FAR`].
#[inline]
fn remainder(x: f64) -> f64 {
    // B₂ₙ/2n(2n − 1) for n = 1 … 7, from the last to the first.
    const SERIES: [f64; 7] = [
        1.0 / 156.0,
        -691.0 / 360_360.0,
        1.0 / 1188.0,
        -1.0 / 1680.0,
        1.0 / 1260.0,
        -1.0 / 360.0,
        1.0 / 12.0,
    ];
    let t = (x * x).recip();
    SERIES.iter().fold(0.0, |sum, term| sum * t + term) / x
}

/// S′(x) = −Σ B₂ₙ/(2n x²ⁿ), for x ≥ [`FAR`].
#[inline]
fn slope_of_remainder(x: f64) -> f64 {
    // B₂ₙ/2n for n = 1 … 7, from the last to the first.
    const SERIES: [f64; 7] = [
        1.0 / 12.0,
        -691.0 / 32_760.0,
        1.0 / 132.0,
        -1.0 / 240.0,
        1.0 / 252.0,
        -1.0 / 120.0,
        1.0 / 12.0,
    ];
    let t = (x * x).recip();
    -SERIES.iter().fold(0.0, |sum, term| (sum + term) * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EULER: f64 = 0.577_215_664_901_532_9;

    /// At 1, ½ and ¼ it is known (Gauss), and everywhere else the recurrence ψ(x + 1) = ψ(x) + 1/x holds it.
    #[test]
    fn digamma_meets_known_values() {
        let pi = std::f64::consts::PI;
        for (x, known) in [
            (1.0, -EULER),
            (2.0, 1.0 - EULER),
            (0.5, -EULER - 2.0 * 2f64.ln()),
            (0.25, -EULER - pi / 2.0 - 3.0 * 2f64.ln()),
        ] {
            assert!((digamma(x) - known).abs() < 2e-15 * 4.0, "{x}: {}", digamma(x));
        }
        for x in [1e-8, 1e-3, 0.3, 3.7, 9.9, 9.999_999, 10.0, 123.4, 1e6, 1e12] {
            let (left, right) = (digamma(x + 1.0), digamma(x) + 1.0 / x);
            assert!((left - right).abs() <= 4e-15 * (1.0 + 1.0 / x), "{x}: {left} {right}");
        }
    }

    /// Both sides of where the series begin, and far out, where a whole y makes the rise a sum of logarithms.
    #[test]
    fn a_rise_keeps_its_digits() {
        for a in [1e-3, 0.7, 9.999_999, 10.0, 11.5, 300.0, 1e6, 1e10, 1e15] {
            for y in [0u32, 1, 6, 50] {
                let terms = || (0..y).map(|k| a + f64::from(k));
                let (sum, slopes): (f64, f64) =
                    (terms().map(f64::ln).sum(), terms().map(f64::recip).sum());
                let (value, slope) = rise(a, y.into());
                assert!((value - sum).abs() < 4e-14 * (1.0 + sum.abs()), "{a} {y}: {value} {sum}");
                assert!((slope - slopes).abs() <= 1e-13 * slopes, "{a} {y}: {slope} {slopes}");
            }
            let (half, _) = rise(a, 0.5);
            let both = half + rise(a + 0.5, 0.5).0;
            assert!((both - a.ln()).abs() < 1e-13 * (1.0 + a.ln().abs()), "{a}: {both}");
        }
    }

    #[test]
    fn short_of_is_continuous_and_has_its_slope() {
        for k in [9.999_999_999, 10.0f64, 40.0] {
            let (value, slope) = short_of(k);
            assert!((value - (k * k.ln() - k - ln_gamma(k))).abs() < 1e-13, "{k}");
            assert!((slope - (k.ln() - digamma(k))).abs() < 1e-14, "{k}");
        }
        // ½ ln(k/2π) − 1/12k
        let (far, slope) = short_of(1e15);
        assert!(
            (far - 0.5 * (1e15 / (2.0 * PI)).ln()).abs() < 1e-14
                && (slope * 2e15 - 1.0).abs() < 1e-14
        );
    }

    /// It is the slope of ln Γ.
    #[test]
    fn digamma_is_the_slope_of_ln_gamma() {
        for x in [0.1, 0.9, 2.5, 11.0, 40.0] {
            let (h, d) = (1e-4 * x, |h: f64| (ln_gamma(x + h) - ln_gamma(x - h)) / (2.0 * h));
            let slope = (4.0 * d(h / 2.0) - d(h)) / 3.0;
            assert!((slope - digamma(x)).abs() < 1e-9 * (1.0 + digamma(x).abs()), "{x}");
        }
    }
}

//! The standard normal's distribution function and its inverse, the same bits on every machine.
//!
//! ```text
//! Φ(x) = ½ erfc(−x/√2).  Around a place x₀ of a grid, with Hermite's polynomials He₀ = 1, He₁ = x, He_{n+1} = x He_n − n He_{n−1}:
//!   Φ(x₀ + h) = Φ(x₀) + φ(x₀) Σ_{n ≥ 1} (−1)ⁿ⁻¹ He_{n−1}(x₀) hⁿ/n!          φ⁽ⁿ⁾ = (−1)ⁿ He_n φ
//! At the places       −x₀ < 1¼: ½ − φ(x₀) (y + y³/3 + y⁵/3·5 + …), y = −x₀        (Abramowitz & Stegun 1964, 26.2.11)
//!                     else      φ(x₀)/(y + 1/(y + 2/(y + 3/(y + …))))             (26.2.14)
//! Above 0             1 − Φ(−x)
//! ```
//!
//! The places are 1/64 apart from −38.5 to 0, and the series goes to h⁷: off by less than 2·10⁻¹⁶ everywhere, and below 0 by
//! less than 10⁻¹³ of Φ up to −8, 10⁻⁸ up to −38. That is a dozen products where a table answers, and no exponential.

use super::portable::exp;
use std::sync::LazyLock;

/// Places of the grid in a unit.
const PER_UNIT: f64 = 64.0;
/// How many there are: below the last, Φ is nothing that a number could hold.
const PLACES: usize = 2465;

/// Φ and φ at −i/64.
static GRID: LazyLock<Vec<[f64; 2]>> =
    LazyLock::new(|| (0..PLACES).map(|i| both(i as f64 / PER_UNIT)).collect());

/// Φ(−y) and φ(y), for y ≥ 0.
fn both(y: f64) -> [f64; 2] {
    // 1/√2π
    let density = 0.398_942_280_401_432_7 * exp(-0.5 * y * y);
    let below = if y < 1.25 {
        let (mut term, mut sum, mut odd) = (y, 0.0, 1.0);
        while term > sum * 1e-18 {
            sum += term;
            odd += 2.0;
            term *= y * y / odd;
        }
        0.5 - density * sum
    } else {
        let fraction = (1..500).rev().fold(y, |rest, n| y + f64::from(n) / rest);
        density / fraction
    };
    [below, density]
}

/// Φ(x). NaN stays NaN.
#[inline]
pub fn cdf(x: f64) -> f64 {
    let y = x.abs();
    if y.is_nan() {
        return y;
    }
    let place = (y * PER_UNIT + 0.5) as usize;
    let Some([below, density]) = GRID.get(place) else {
        return if x < 0.0 { 0.0 } else { 1.0 };
    };
    // Around x₀ = −y₀, at x₀ + h = −y.
    let y0 = place as f64 / PER_UNIT;
    let h = y0 - y;
    let square = y0 * y0;
    // (−1)ⁿ He_n(−y₀) = He_n(y₀), over (n + 1)!
    let terms = [
        (((square - 15.0) * square + 45.0) * square - 15.0) / 5040.0,
        ((square - 10.0) * square + 15.0) * y0 / 720.0,
        ((square - 6.0) * square + 3.0) / 120.0,
        (square - 3.0) * y0 / 24.0,
        (square - 1.0) / 6.0,
        y0 / 2.0,
        1.0,
    ];
    let mut sum = 0.0;
    for term in terms {
        sum = sum * h + term;
    }
    let below = below + density * (sum * h);
    if x < 0.0 { below } else { 1.0 - below }
}

/// The x with Φ(x) = p, for 0 < p < 1: the largest number below which Φ is below p.
pub fn quantile(p: f64) -> f64 {
    // Below 0 Φ has all its digits.
    if p > 0.5 {
        return -quantile(1.0 - p);
    }
    let (mut low, mut high) = (-39.0, 0.0);
    loop {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            return low;
        }
        if cdf(middle) < p { low = middle } else { high = middle }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::FRAC_1_SQRT_2;

    #[test]
    fn it_is_erfc() {
        let (mut worst, mut far) = (0f64, 0f64);
        for i in 0..=400_000 {
            let x = f64::from(i) * 1e-4 - 38.0;
            let want = 0.5 * libm::erfc(-x * FRAC_1_SQRT_2);
            let found = cdf(x);
            worst = worst.max((found - want).abs());
            // The platform's own loses digits to the rounding of its argument, squared.
            let allowed = if x > -8.0 { 1e-13 } else { 2e-8 };
            assert!((found - want).abs() <= allowed * want + 1e-300, "{x}: {found:e} {want:e}");
            if x < -8.0 && want > 1e-300 {
                far = far.max((found / want - 1.0).abs());
            }
        }
        assert!(worst < 3e-16, "{worst:e}");
        assert!(far < 1e-8, "{far:e}");
        assert_eq!([cdf(f64::NEG_INFINITY), cdf(-40.0), cdf(0.0), cdf(40.0)], [0.0, 0.0, 0.5, 1.0]);
        assert!(cdf(f64::NAN).is_nan());
    }

    #[test]
    fn a_quantile_is_its_inverse() {
        for (p, x) in [(0.5, 0.0), (0.975, 1.959963984540054), (0.001, -3.090232306167813)] {
            assert!((quantile(p) - x).abs() < 1e-12, "{p}");
        }
        for i in 1..10_000 {
            let p = f64::from(i) * 1e-4;
            assert!((cdf(quantile(p)) - p).abs() < 1e-15, "{p}");
        }
        assert!((cdf(quantile(1e-200)) / 1e-200 - 1.0).abs() < 1e-6);
    }
}

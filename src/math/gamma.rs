//! The gamma function's logarithm and its derivative, in `f64`: their differences, which is what densities
//! are made of, have no digits left in `f32` (lnΓ(10⁶) = 1.3·10⁷).
//!
//! | function | formula used | why |
//! |---|---|---|
//! | [`ln_gamma`] | libm's | good to an ulp or two |
//! | [`digamma`] | ψ(x) = ψ(x + n) − Σ_{k<n} 1/(x + k), up to x + n ≥ 10; there ln x − 1/2x − Σ B₂ₙ/(2n x²ⁿ) | the series (Abramowitz & Stegun 1964, 6.3.18) is then off by less than 10⁻¹⁵ |

/// ln Γ(x), for x > 0.
#[inline]
pub fn ln_gamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// ψ(x) = Γ′(x)/Γ(x), for x > 0.
#[inline]
pub fn digamma(x: f64) -> f64 {
    let (mut x, mut shift) = (x, 0.0);
    while x < 10.0 {
        shift += x.recip();
        x += 1.0;
    }
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
    let series = SERIES.iter().fold(0.0, |sum, term| (sum + term) * t);
    x.ln() - 0.5 / x - series - shift
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

//! The incomplete gamma and beta functions, distribution functions of the gamma and of Student's t: the same bits on every
//! machine.
//!
//! ```text
//! P(a, x) = 1/Γ(a) ∫₀ˣ tᵃ⁻¹ e⁻ᵗ dt
//!   x < a + 1    e^{−x} xᵃ/Γ(a + 1) Σ_n xⁿ/((a + 1) … (a + n))                         (DLMF 8.7.1)
//!   else         1 − e^{−x} xᵃ/Γ(a) · 1/(x + 1 − a − 1(1 − a)/(x + 3 − a − 2(2 − a)/(x + 5 − a − …)))      (8.9.2)
//!   e^{−x} xᵃ/Γ(a) = a e^{a (ln(1 + d) − d) + a ln a − a − ln Γ(a)}/a,  d = (x − a)/a: nothing large cancels
//! I_x(a, b) = 1/B(a, b) ∫₀ˣ tᵃ⁻¹ (1 − t)ᵇ⁻¹ dt,  by its continued fraction (8.17.22), where x < (a + 1)/(a + b + 2);
//!   else         1 − I_{1−x}(b, a)
//! Student's t  P(T < t) = ½ I_{ν/(ν + t²)}(ν/2, ½) for t < 0
//! Numerics     fractions by Lentz's method (Press et al. 1992, section 5.2). Off by some 10⁻¹³
//! ```

use super::gamma::{rise, short_of};
use super::portable::{exp, ln, ln_1p};

/// More terms than the fractions and series need for a or x up to 10¹⁰; what is hostile ends here.
const MOST_TERMS: u32 = 1 << 20;
/// In place of a denominator that is 0.
const TINY: f64 = 1e-300;

/// Lentz's method: first + a_1/(b_1 + a_2/(b_2 + …)).
fn fraction(first: f64, mut term: impl FnMut(f64) -> (f64, f64)) -> f64 {
    let nonzero = |v: f64| if v.abs() < TINY { TINY } else { v };
    let mut f = nonzero(first);
    let (mut c, mut d) = (f, 0.0);
    for n in 1..MOST_TERMS {
        let (a, b) = term(f64::from(n));
        d = 1.0 / nonzero(b + a * d);
        c = nonzero(b + a / c);
        let step = c * d;
        f *= step;
        if (step - 1.0).abs() < 4.0 * f64::EPSILON || step.is_nan() {
            break;
        }
    }
    f
}

/// P(a, x), the probability that a gamma of shape a > 0 and scale 1 is below x.
pub fn gamma_below(a: f64, x: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if x > f64::MAX {
        return 1.0;
    }
    let d = (x - a) / a;
    // ln(1 + d) − d
    let short = if d > -0.29 { ln_1p(d) - d } else { ln(x) - ln(a) - d };
    let density = a * exp(a * short + short_of(a).0 - ln(a)); // e^{−x} xᵃ/Γ(a)
    if x < a + 1.0 {
        let (mut term, mut sum) = (1.0, 1.0);
        for n in 1..MOST_TERMS {
            term *= x / (a + f64::from(n));
            sum += term;
            if term <= sum * f64::EPSILON {
                break;
            }
        }
        density * sum / a
    } else {
        let b = x + 1.0 - a;
        1.0 - density / fraction(b, |n| (-n * (n - a), b + 2.0 * n))
    }
}

/// I_x(a, ½) of x = ν/(ν + t²), y = 1 − x.
fn beta_half(a: f64, x: f64, y: f64) -> f64 {
    const B: f64 = 0.5;
    // xᵃ yᵇ/B(a, b), 1/B(a, ½) = Γ(a + ½)/(Γ(a) √π)
    let ln_x = if y < 0.29 { ln_1p(-y) } else { ln(x) };
    let density = exp(a * ln_x + B * ln(y) + rise(a, B).0) / std::f64::consts::PI.sqrt();
    let ratio = |a: f64, b: f64, x: f64| {
        fraction(1.0, |n| {
            // d_{2m} and d_{2m+1}
            let m = (0.5 * n).floor();
            let term = if n > 2.0 * m {
                -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
            } else {
                m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
            };
            (term, 1.0)
        })
    };
    match x < (a + 1.0) / (a + B + 2.0) {
        true => density / (a * ratio(a, B, x)),
        false => 1.0 - density / (B * ratio(B, a, y)),
    }
}

/// The probability that Student's t with ν > 0 degrees of freedom is below t.
pub fn student_below(nu: f64, t: f64) -> f64 {
    if t == 0.0 {
        return 0.5;
    }
    let square = t * t;
    let (x, y) = match square > f64::MAX {
        true => (0.0, 1.0),
        false => (nu / (nu + square), square / (nu + square)),
    };
    let tail = if x > 0.0 { 0.5 * beta_half(0.5 * nu, x, y) } else { 0.0 };
    if t < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::normal::cdf;
    use std::f64::consts::{FRAC_1_SQRT_2, PI};

    /// P(1, x) = 1 − e⁻ˣ, P(½, x) = erf √x, P(a, x) − P(a + 1, x) = xᵃ e⁻ˣ/Γ(a + 1), and far out a normal.
    #[test]
    fn the_gamma_s_is_known() {
        for x in [1e-9, 0.3, 1.0, 1.9, 2.1, 7.0, 40.0, 700.0] {
            assert!((gamma_below(1.0, x) + (-x).exp_m1()).abs() < 1e-14, "{x}");
            let erf = 1.0 - libm::erfc(x.sqrt());
            assert!((gamma_below(0.5, x) - erf).abs() < 1e-14, "{x}");
            for a in [1e-3, 0.7, 3.0, 9.9, 30.0, 1000.0] {
                let step = (a * x.ln() - x - libm::lgamma(a + 1.0)).exp();
                let found = gamma_below(a, x) - gamma_below(a + 1.0, x);
                assert!((found - step).abs() < 1e-12, "{a} {x}: {found} {step}");
            }
        }
        // By Wilson and Hilferty's cube root, good to some 10⁻⁴ at shape 10⁶.
        for t in [-4.0, -1.0, 0.0, 0.5, 3.0] {
            let (a, c): (f64, f64) = (1e6, 1.0 / 9e6);
            let x = a * (1.0 - c + t * c.sqrt()).powi(3);
            assert!((gamma_below(a, x) - cdf(t)).abs() < 1e-6, "{t}");
        }
        assert_eq!([gamma_below(2.0, -1.0), gamma_below(2.0, f64::INFINITY)], [0.0, 1.0]);
    }

    /// ν = 1 is Cauchy's, ν = 2 has a root, and ν = 10⁸ is nearly a normal's.
    #[test]
    fn student_s_is_known() {
        for t in [-1e9f64, -30.0, -2.0, -0.7, -1e-4, 0.0, 0.3, 1.0, 5.0, 1e6] {
            let cauchy = 0.5 + t.atan() / PI;
            assert!((student_below(1.0, t) - cauchy).abs() < 1e-13, "{t}");
            let two = 0.5 + 0.5 * t * FRAC_1_SQRT_2 / (1.0 + 0.5 * t * t).sqrt();
            assert!((student_below(2.0, t) - two).abs() < 1e-13, "{t}");
            assert!((student_below(1e8, t) - cdf(t)).abs() < 1e-8, "{t}");
        }
        assert_eq!(
            [student_below(3.0, f64::NEG_INFINITY), student_below(3.0, f64::INFINITY)],
            [0.0, 1.0]
        );
    }

    /// Nothing that a network can emit keeps them busy for ever, or gives what is no share.
    #[test]
    fn hostile_parameters_end() {
        for a in [1e-300, 1e-9, 1.0, 1e9, 1e15, 1e300] {
            for x in [1e-300, 1e-9, 1.0, 1e9, 1e15, 1e300] {
                for share in [gamma_below(a, x), student_below(a, x), student_below(a, -x)] {
                    assert!(
                        share.is_nan() || (-1e-9..=1.0 + 1e-9).contains(&share),
                        "{a} {x}: {share}"
                    );
                }
            }
        }
    }
}

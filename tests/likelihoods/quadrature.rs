//! Sums and integrals over all values that a distribution can have.

use elbo::distribution::Domain;
use std::f64::consts::FRAC_PI_2;

/// Σ or ∫ f(x) over the domain. A density may have a kink at `kink`, no other, and any power of x at the
/// domain's ends.
///
/// Double-exponential rules (Takahasi & Mori 1974): with x = m ± exp(π/2 sinh u), or
/// x = 1/(1 + exp(−π sinh u)) from 0 to 1, the trapezoidal rule in u converges like exp(−c/h).
pub(crate) fn total(domain: Domain, kink: f64, f: &dyn Fn(f64) -> f64) -> f64 {
    const STEP: f64 = 1.0 / 64.0;
    let steps = || (-384..=384).map(|i| f64::from(i) * STEP);
    // Far out, 0 times what has overflowed is 0.
    let product = |f: f64, slope: f64| if f == 0.0 { 0.0 } else { f * slope * STEP };
    let half = |from: f64, sign: f64| -> f64 {
        let term = |u: f64| {
            let t = (FRAC_PI_2 * u.sinh()).exp();
            product(f(from + sign * t), t * FRAC_PI_2 * u.cosh())
        };
        steps().map(term).sum()
    };
    match domain {
        Domain::Real => half(kink, 1.0) + half(kink, -1.0),
        Domain::Positive => half(0.0, 1.0),
        Domain::Unit => {
            let term = |u: f64| {
                let e = (-2.0 * (FRAC_PI_2 * u.sinh()).abs()).exp();
                let near = e / (1.0 + e); // to the nearer end
                let x = if u < 0.0 { near } else { 1.0 - near };
                let slope = 2.0 * FRAC_PI_2 * u.cosh() * e / ((1.0 + e) * (1.0 + e));
                product(f(x), slope)
            };
            steps().map(term).sum()
        }
        _ => values(domain, f).map(|(_, term)| term).sum(),
    }
}

/// The values of a domain without a density, each with f of it; of infinitely many those until nothing comes
/// any more.
pub(crate) fn values<'a>(
    domain: Domain,
    f: &'a dyn Fn(f64) -> f64,
) -> Box<dyn Iterator<Item = (f64, f64)> + 'a> {
    let with = move |x: f64| (x, f(x));
    match domain {
        Domain::Bit => Box::new([0.0, 1.0].into_iter().map(with)),
        Domain::Levels(n) | Domain::Classes(n) => Box::new((0..n).map(f64::from).map(with)),
        Domain::Grid(n) => Box::new((0..n).map(move |k| f64::from(k) / f64::from(n - 1)).map(with)),
        Domain::Count => {
            let (mut largest, mut few) = (0.0f64, 0);
            Box::new((0..1u32 << 24).map(f64::from).map(with).take_while(move |(_, term)| {
                largest = largest.max(term.abs());
                few = if term.abs() < 1e-17 * largest { few + 1 } else { 0 };
                few < 100
            }))
        }
        Domain::Real | Domain::Positive | Domain::Unit => unreachable!("a density has an integral"),
    }
}

/// ∫ f from a to b, by Simpson's rule.
pub(crate) fn between(a: f64, b: f64, f: &dyn Fn(f64) -> f64) -> f64 {
    const PIECES: u32 = 200;
    let h = (b - a) / f64::from(PIECES);
    let weight = |i: u32| match i {
        0 | PIECES => 1.0,
        i if i % 2 == 1 => 4.0,
        _ => 2.0,
    };
    (0..=PIECES).map(|i| weight(i) * f(a + f64::from(i) * h)).sum::<f64>() * h / 3.0
}

//! Clipping by the global norm.
//!
//! ```text
//! ‖g‖ = √ Σ g_i²  over all parameters;   scale = min(1, max_norm / ‖g‖);   g ← scale · g
//! Numerics  squares are added in f64, so that neither large gradients overflow nor small ones vanish
//! Source    Pascanu, Mikolov & Bengio 2013, algorithm 1
//! ```

use crate::math::map_sum;
use crate::parallel;
use crate::real::Real;

/// Elements that one partial sum covers. Fixed, so that the result does not depend on threads.
const PART: usize = 1 << 14;

/// √ Σ g_i². Not finite if an element is not.
pub fn global_norm<T: Real>(gradient: &[T]) -> f64 {
    sum_of_squares(gradient).sqrt()
}

/// Halves at a multiple of [`PART`]; the tree of additions follows the length alone.
fn sum_of_squares<T: Real>(g: &[T]) -> f64 {
    if g.len() <= PART {
        return map_sum(
            [],
            [g],
            #[inline(always)]
            |[g]| ([], g.to_f64() * g.to_f64()),
        );
    }
    let (a, b) = g.split_at(g.len().div_ceil(PART) / 2 * PART);
    let (a, b) = parallel::join(|| sum_of_squares(a), || sum_of_squares(b));
    a + b
}

/// The factor that brings a gradient of norm `norm` down to `max_norm`; 1 if it is there already.
pub fn clip(norm: f64, max_norm: f64) -> f64 {
    if norm > max_norm { max_norm / norm } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norm_and_factor() {
        assert_eq!(global_norm(&[3.0f32, -4.0]), 5.0);
        assert_eq!(global_norm::<f32>(&[]), 0.0);
        assert!(global_norm(&[1.0f32, f32::NAN]).is_nan());
        let (n, large) = (3 * PART + 1, 1e30f32);
        let expected = large as f64 * (n as f64).sqrt();
        assert!((global_norm(&vec![large; n]) / expected - 1.0).abs() < 1e-14);
        assert_eq!((clip(5.0, 1.0), clip(0.5, 1.0)), (0.2, 1.0));
    }
}

//! The maximum mean discrepancy between the latents of the data and the prior: InfoVAE, WAE.
//!
//! ```text
//! Shapes    z [N, Z] draws from q(z), y [N, Z] draws from N(0, I)
//! Forward   MMD² = E k(z, z′) + E k(y, y′) − 2 E k(z, y), each mean without pairs of a draw with itself:
//!             (1/N(N−1)) Σ_{n≠m} [ k(z_n, z_m) + k(y_n, y_m) ] − (2/N²) Σ_nm k(z_n, y_m)
//!           k(a, b) = Σ_s C_s/(C_s + ‖a − b‖²), C_s = 2 Z s, for s = 0.1, 0.2, 0.5, 1, 2, 5, 10
//! Backward  κ = Σ_s C_s/(C_s + r)², so that ∂k/∂a = −2 κ (a − b):
//!             ∂/∂z_n = −(4/N(N−1)) Σ_{m≠n} κ (z_n − z_m) + (4/N²) Σ_m κ (z_n − y_m)
//! Source    Zhao, Song & Ermon 2019, "InfoVAE", section 3.2; the kernels: Tolstikhin et al. 2018, appendix C
//! ```
//!
//! With `--beta` 0 the KL is gone and the whole weight lies on the aggregate: a Wasserstein autoencoder. One row
//! has no pair: its penalty is 0.

use super::{Inputs, LatentGradient, Latents, Member, Penalty, Spec, weight};
use crate::math::map_sum;
use crate::real::Real;
use ndarray::{Array2, ArrayView1, ArrayView2};

/// The discrepancy, times a weight.
#[derive(Clone, Copy, Debug)]
pub struct Mmd {
    weight: f64,
}

const SCALES: [f64; 7] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];

pub(super) fn member<T: Real>() -> Member<Box<dyn Penalty<T>>> {
    Member {
        name: "mmd",
        summary: "the maximum mean discrepancy between the latents and the prior, times `weight=W` (10): InfoVAE",
        build: |spec| {
            spec.only(&["weight"])?;
            Ok(Box::new(Mmd { weight: weight(spec, "weight", 10.0)? }))
        },
        examples: &["mmd:weight=4"],
    }
}

/// Σ_m k(a, b_m), and each κ(a, b_m), for a row `a` `[Z]` and the columns of others, `b` `[Z, M]`.
fn compare(kappa: &mut [f64], squares: &mut [f64], a: ArrayView1<f64>, b: &Array2<f64>) -> f64 {
    squares.fill(0.0);
    for (a, b) in a.iter().zip(b.rows()) {
        squares.iter_mut().zip(b).for_each(|(square, b)| *square += (a - b) * (a - b));
    }
    let scales = SCALES.map(|s| 2.0 * a.len() as f64 * s);
    map_sum(
        [kappa],
        [squares],
        #[inline(always)]
        |[square]| {
            let (mut k, mut kappa) = (0.0, 0.0);
            for c in scales {
                let inverse = 1.0 / (c + square);
                let share = c * inverse;
                k += share;
                kappa += share * inverse;
            }
            ([kappa], k)
        },
    )
}

impl Mmd {
    /// Its value, and ∂/∂z `[N, Z]`.
    fn of<T: Real>(&self, given: &Latents<'_, T>) -> (f64, Array2<f64>) {
        let (n, mut d) = (given.z.nrows(), Array2::zeros(given.z.dim()));
        if n < 2 {
            return (0.0, d);
        }
        // Columns, along which the loops run.
        let columns = |of: &ArrayView2<'_, T>| of.t().as_standard_layout().mapv(|v| v.to_f64());
        let (z, y) = (columns(&given.z), columns(&given.prior));
        let (mut kappa, mut squares) = (vec![0.0; n], vec![0.0; n]);
        let alike = 1.0 / (n * (n - 1)) as f64;
        let apart = -2.0 / (n * n) as f64;
        // Of a draw with itself: no pair of these sums, and of no slope.
        let itself = SCALES.len() as f64;
        let mut value = 0.0;
        for i in 0..n {
            let z_i = z.column(i);
            value += alike * (compare(&mut kappa, &mut squares, y.column(i), &y) - itself);
            // Each z stands in one pair of z and y, and in two, which are equal, of z and z.
            for (share, itself, slope, b) in
                [(alike, itself, -4.0 * alike, &z), (apart, 0.0, -2.0 * apart, &y)]
            {
                value += share * (compare(&mut kappa, &mut squares, z_i, b) - itself);
                for ((d, a), b) in d.row_mut(i).iter_mut().zip(z_i).zip(b.rows()) {
                    let b = b.to_slice().expect("a row in standard layout");
                    *d += slope
                        * map_sum(
                            [],
                            [&kappa, b],
                            #[inline(always)]
                            |[kappa, b]| ([], kappa * (a - b)),
                        );
                }
            }
        }
        (self.weight * value, d * self.weight)
    }
}

impl<T: Real> Penalty<T> for Mmd {
    fn spec(&self) -> Spec {
        Spec::new("mmd").with("weight", self.weight)
    }

    fn needs_prior_draws(&self) -> bool {
        true
    }

    fn depends_on(&self) -> Inputs {
        Inputs { z: true, eta: false }
    }

    fn value(&self, given: &Latents<'_, T>) -> f64 {
        self.of(given).0
    }

    fn gradient(&self, d: LatentGradient<'_, T>, given: &Latents<'_, T>) -> f64 {
        let (value, d_z) = self.of(given);
        let mut into = d.d_z;
        into.zip_mut_with(&d_z, |into, d| *into += T::from_f64(*d));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::constants;
    use crate::distribution::normal::Normal;

    /// Over many draws it is 0 in mean between equals, and not between others.
    #[test]
    fn it_is_nothing_between_equals() {
        let of = |shift: f64| -> f64 {
            let once = |i: u64| {
                let draws = |stream, shift: f64| {
                    let values: Vec<f64> = constants(60, stream);
                    let values = values.into_iter().map(|v| v + shift).collect();
                    Array2::from_shape_vec((30, 2), values).unwrap()
                };
                let (z, y) = (draws(2 * i, shift), draws(2 * i + 1, 0.0));
                let (q, eta) = (&Normal::emitted(), Array2::zeros((30, 4)));
                let given = Latents { z: z.view(), q, eta: eta.view(), own: &[], prior: y.view() };
                Mmd { weight: 1.0 }.value(&given)
            };
            (0..200).map(once).sum::<f64>() / 200.0
        };
        assert!(of(0.0).abs() < 0.01, "{}", of(0.0));
        assert!(of(1.0) > 0.5, "{}", of(1.0));
    }
}

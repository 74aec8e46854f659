//! The covariance matrix of the latents over the data against the identity: DIP-VAE.
//!
//! ```text
//! Shapes    v [N, Z]: the means μ(x) of the posteriors (`on=means`, DIP-VAE-I), or draws (`on=draws`, whose
//!           covariance is Cov μ + E Σ: DIP-VAE-II, by one draw)
//! Forward   u_n = v_n − v̄,  C = (1/N) Σ_n u_n u_nᵀ,   P = λ_o Σ_{i≠j} C_ij² + λ_d Σ_i (C_ii − 1)²
//! Backward  G_ij = 2 λ_o C_ij, G_ii = 2 λ_d (C_ii − 1);  ∂P/∂v_n = (2/N) G u_n    (v̄ moves nothing: Σ u_n = 0)
//! Source    Kumar, Sattigeri & Balakrishnan 2018, "Variational inference of disentangled latent concepts",
//!           eqs. 6 and 7; Z ≥ 2 for the first sum to be of use
//! ```

use super::{Inputs, LatentGradient, Latents, Member, Penalty, Spec, weight};
use crate::distribution::Distribution;
use crate::error::Error;
use crate::real::Real;
use ndarray::{Array2, ArrayView2, Axis, s};

/// How far the covariance matrix is from the identity.
#[derive(Clone, Copy, Debug)]
pub struct Dip {
    off_diagonal: f64,
    diagonal: f64,
    on_draws: bool,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Penalty<T>>> {
    Member {
        name: "dip",
        summary: "the latents' covariance over the data against the identity, squared: `off-diagonal=L` (10), \
                  `diagonal=L` (100, or 10 on draws), of the posteriors' `on=means` (DIP-VAE-I) or `on=draws` (II)",
        build: |spec| {
            spec.only(&["off-diagonal", "diagonal", "on"])?;
            let on_draws = match spec.get("on") {
                None | Some("means") => false,
                Some("draws") => true,
                Some(other) => {
                    let message = format!("`{other}` is neither `means` nor `draws`");
                    return Err(Error::setting("dip:on", message));
                }
            };
            let off_diagonal = weight(spec, "off-diagonal", 10.0)?;
            let default = if on_draws { off_diagonal } else { 10.0 * off_diagonal };
            Ok(Box::new(Dip {
                off_diagonal,
                diagonal: weight(spec, "diagonal", default)?,
                on_draws,
            }))
        },
        examples: &["dip:off-diagonal=0.5,on=means", "dip:off-diagonal=0.7,on=draws"],
    }
}

impl Dip {
    /// Its value, and ∂/∂v `[N, Z]`.
    fn of<T: Real>(&self, v: ArrayView2<T>) -> (f64, Array2<f64>) {
        let n = v.nrows();
        let v = v.mapv(|v| v.to_f64());
        let u = &v - &v.mean_axis(Axis(0)).expect("a row").insert_axis(Axis(0));
        let mut g = u.t().dot(&u) / n as f64;
        let mut value = 0.0;
        for ((i, j), c) in g.indexed_iter_mut() {
            let (weight, off) =
                if i == j { (self.diagonal, *c - 1.0) } else { (self.off_diagonal, *c) };
            value += weight * off * off;
            *c = 2.0 * weight * off;
        }
        (value, u.dot(&g) * (2.0 / n as f64))
    }

    fn values<'a, T>(&self, given: &Latents<'a, T>) -> ArrayView2<'a, T> {
        let width = given.z.ncols();
        if self.on_draws { given.z } else { given.eta.slice_move(s![.., ..width]) }
    }
}

impl<T: Real> Penalty<T> for Dip {
    fn spec(&self) -> Spec {
        let on = if self.on_draws { "draws" } else { "means" };
        let spec = Spec::new("dip").with("off-diagonal", self.off_diagonal);
        spec.with("diagonal", self.diagonal).with("on", on)
    }

    /// Of those with a closed form the first Z of η are the means.
    fn refuses(&self, q: &dyn Distribution<T>) -> Option<&'static str> {
        let known = q.as_reparameterized().is_some_and(|q| q.as_closed_form().is_some());
        (!self.on_draws && !known).then_some(
            "needs a posterior whose mean is known, such as `normal`; or take `on=draws`",
        )
    }

    fn depends_on(&self) -> Inputs {
        Inputs { z: self.on_draws, eta: !self.on_draws }
    }

    fn value(&self, given: &Latents<'_, T>) -> f64 {
        self.of(self.values(given)).0
    }

    fn gradient(&self, d: LatentGradient<'_, T>, given: &Latents<'_, T>) -> f64 {
        let (value, d_v) = self.of(self.values(given));
        let LatentGradient { mut d_z, mut d_eta } = d;
        let width = d_z.ncols();
        let mut into =
            if self.on_draws { d_z.view_mut() } else { d_eta.slice_mut(s![.., ..width]) };
        into.zip_mut_with(&d_v, |into, d| *into += T::from_f64(*d));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two latents by hand: the covariance is [1, ½; ½, 4].
    #[test]
    fn it_is_the_distance_from_the_identity() {
        let l = ndarray::array![[1.0, 0.0], [0.5, 3.75f64.sqrt()]];
        let corners = ndarray::array![[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]];
        let v = corners.dot(&l.t()) + 7.0;
        let dip = Dip { off_diagonal: 2.0, diagonal: 3.0, on_draws: true };
        let (value, d) = dip.of(v.view());
        assert!((value - (2.0 * 2.0 * 0.25 + 3.0 * 9.0)).abs() < 1e-12, "{value}");
        assert!(d.sum_axis(Axis(0)).iter().all(|d| d.abs() < 1e-12), "{d}");
    }
}

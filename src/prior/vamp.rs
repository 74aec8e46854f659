//! The VampPrior: the mean of the posteriors at learned pseudo-inputs.
//!
//! ```text
//! Shapes    z [N, Z]   own = pseudo-inputs u [C, D]   η_c = encoder(u_c) [P]
//! Forward   log p(z) = log 1/C Σ_c q(z|η_c)
//! Backward  in z and η: `components.rs`. From η_c to u_c and to the encoder's weights goes the encoder's
//!           own backward pass, run by the model
//! Source    Tomczak & Welling 2018, "VAE with a VampPrior", eq. 10
//! ```
//!
//! The best prior for the bound is the mean of q(z|x) over all data (Hoffman & Johnson 2016); C learned
//! rows stand for them. They start as rows with the data's means and spreads, or as draws of N(start, spread²), and may
//! leave the data's range unless they are clipped to [0, 1]. (The authors do that, and start at N(0.05, 0.01²).)

use super::components::{self, Components};
use super::mixture::MOST;
use super::{Given, Member, Prior, PriorGradient, Sequential, Spec};
use crate::distribution::Moments;
use crate::error::{Error, Result};
use crate::params::{Scope, Start};
use crate::real::Real;
use crate::rng::ChaCha8Rng;
use ndarray::{ArrayView2, ArrayViewMut2};

/// The mean of the posteriors at `pseudo_inputs` rows.
#[derive(Clone, Copy, Debug)]
pub struct Vamp {
    pseudo_inputs: usize,
    /// Mean and deviation of their first values, if not those of the data.
    start: Option<(f64, f64)>,
    clip: bool,
}

pub(super) fn member<T: Real>() -> Member<Box<dyn Prior<T>>> {
    Member {
        name: "vamp",
        summary: "the mean of the posteriors at `pseudo-inputs=C` (100) rows, which are learned, from the data's means and \
                  spreads, or from `start=M,spread=S`; `clip=unit` keeps them from 0 to 1; one level",
        build: |spec| Ok(Box::new(Vamp::from_spec(spec)?)),
        examples: &["vamp:pseudo-inputs=3", "vamp:pseudo-inputs=2,start=0.5,spread=0.1,clip=unit"],
    }
}

impl Vamp {
    fn from_spec(spec: &Spec) -> Result<Self> {
        spec.only(&["pseudo-inputs", "start", "spread", "clip"])?;
        let pseudo_inputs = spec.whole("pseudo-inputs", 1..=MOST)?.unwrap_or(100);
        let start = match (spec.number("start")?, spec.number("spread")?) {
            (None, None) => None,
            (Some(mean), Some(spread)) if spread > 0.0 => Some((mean, spread)),
            _ => {
                let message = "go together: a mean, and a spread above 0";
                return Err(Error::setting("vamp:start and vamp:spread", message));
            }
        };
        let clip = match spec.get("clip") {
            None => false,
            Some("unit") => true,
            Some(other) => {
                let message = format!("`{other}` is unknown; `unit` keeps them from 0 to 1");
                return Err(Error::setting("vamp:clip", message));
            }
        };
        Ok(Vamp { pseudo_inputs, start, clip })
    }

    fn components<'a, T: Real>(&self, given: Given<'a, T>) -> Components<'a, T> {
        let of = given.posteriors.expect("the model gives a prior the posteriors it asks for");
        let p = of.q.as_likelihood().expect("checked when the model was built");
        Components { p, eta: of.eta, own: of.own, logits: None }
    }
}

impl<T: Real> Prior<T> for Vamp {
    fn spec(&self) -> Spec {
        let spec = Spec::new("vamp").with("pseudo-inputs", self.pseudo_inputs);
        let spec = match self.start {
            Some((mean, spread)) => spec.with("start", mean).with("spread", spread),
            None => spec,
        };
        if self.clip { spec.with("clip", "unit") } else { spec }
    }

    fn own(&self, scope: &mut Scope<'_>, _latent: usize, data: usize) {
        scope.tensor("pseudo_inputs", &[self.pseudo_inputs, data], Start::Normal(1.0));
    }

    fn pseudo_inputs(&self) -> usize {
        self.pseudo_inputs
    }

    fn clips_pseudo_inputs(&self) -> bool {
        self.clip
    }

    fn start(&self, own: &mut [T], data: &Moments) {
        if let Some((mean, spread)) = self.start {
            own.iter_mut().for_each(|u| *u = T::from_f64(mean + spread * u.to_f64()));
            return;
        }
        for row in own.chunks_exact_mut(data.mean.len()) {
            for ((u, mean), variance) in row.iter_mut().zip(&data.mean).zip(&data.variance) {
                *u = T::from_f64(mean + variance.sqrt() * u.to_f64());
            }
        }
    }

    fn work(&self, rows: usize, latent: usize, eta: usize) -> usize {
        components::work(rows, latent, self.pseudo_inputs, eta)
    }

    fn log_prob(&self, log_p: &mut [T], z: &ArrayView2<T>, given: Given<'_, T>, work: &mut [T]) {
        let r = &mut work[..log_p.len() * self.pseudo_inputs];
        self.components(given).log_prob(log_p, r, z);
    }

    fn log_prob_gradient(
        &self,
        log_p: &mut [T],
        d_z: ArrayViewMut2<T>,
        z: &ArrayView2<T>,
        given: Given<'_, T>,
        work: &mut [T],
    ) {
        self.components(given).log_prob_gradient(log_p, d_z, z, work);
    }

    fn backward(
        &self,
        d: PriorGradient<'_, T>,
        weight: &[T],
        z: &ArrayView2<T>,
        given: Given<'_, T>,
        work: &mut [T],
    ) {
        self.components(given).backward(d.d_eta, &mut [], weight, z, work);
    }

    fn in_turn<'a>(
        &'a self,
        latent: usize,
        given: Given<'a, T>,
    ) -> Option<Box<dyn Sequential + 'a>> {
        self.components(given).in_turn(latent)
    }

    fn sample(&self, z: &mut [T], temperature: T, given: Given<'_, T>, rng: &mut ChaCha8Rng) {
        self.components(given).sample(z, temperature, rng);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution;
    use crate::prior::Posteriors;
    use ndarray::array;

    #[test]
    fn pseudo_inputs_start_where_they_are_told_to() {
        let data = Moments { mean: vec![5.0, 0.0], variance: vec![4.0, 0.0] };
        let started = |spec: &str| {
            let prior = Vamp::from_spec(&spec.parse().unwrap()).unwrap();
            assert_eq!(Prior::<f64>::spec(&prior).to_string(), spec);
            let mut own = [1.0, -1.0, 0.5, 2.0];
            prior.start(&mut own, &data);
            own
        };
        assert_eq!(started("vamp:pseudo-inputs=2"), [7.0, 0.0, 6.0, 0.0]);
        let told = started("vamp:pseudo-inputs=2,start=0.5,spread=0.25,clip=unit");
        assert_eq!(told, [0.75, 0.25, 0.625, 1.0]);
        for wrong in ["start=1", "spread=1", "start=0,spread=0", "clip=data", "clip=1"] {
            assert!(Vamp::from_spec(&format!("vamp:{wrong}").parse().unwrap()).is_err(), "{wrong}");
        }
    }

    /// The mean of the posteriors: of one alone it is that posterior, of three the mean density.
    #[test]
    fn log_p_is_that_of_the_mean_posterior() {
        let q = distribution::build::<f64>(&"normal".parse().unwrap()).unwrap();
        let (q, scores) = (&*q, q.as_likelihood().unwrap());
        let eta = array![[0.3, -1.0, 0.2, -0.4], [2.0, 0.5, -1.0, 0.3], [-1.5, 0.0, 0.0, 0.0]];
        let z = array![[0.1, -0.7], [3.0, 2.0]];
        for count in [1, 3] {
            let prior = Vamp { pseudo_inputs: count, start: None, clip: false };
            let eta = eta.slice(ndarray::s![..count, ..]);
            let given = Given {
                own: &[],
                posteriors: Some(Posteriors { q, eta, own: &[] }),
                own_places: None,
            };
            let (mut log_p, mut work) = ([0.0; 2], vec![0.0; Prior::<f64>::work(&prior, 2, 2, 4)]);
            prior.log_prob(&mut log_p, &z.view(), given, &mut work);
            for (z, log_p) in z.rows().into_iter().zip(log_p) {
                let of = |eta: ndarray::ArrayView1<f64>| {
                    scores.log_prob(z.to_slice().unwrap(), eta.to_slice().unwrap(), &[]).exp()
                };
                let mean = eta.rows().into_iter().map(of).sum::<f64>() / count as f64;
                assert!((log_p - mean.ln()).abs() < 1e-12, "{count}: {log_p}");
            }
        }
    }
}

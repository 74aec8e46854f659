//! What the gradient checks in double precision cannot see: how the step fares in single precision.

use super::*;
use crate::family::Spec;
use crate::objective::iwae::Iwae;
use crate::objective::{Terms, Weights};
use ndarray::Array2;

/// The gradient on three rows of ones and zeros with four draws each.
fn gradient<T: Real>(vae: &Vae<T>, params: &[f32], objective: &dyn Objective<T>) -> Vec<f64> {
    let number = |value: f32| T::from_f64(value.into());
    let params: Vec<T> = params.iter().copied().map(number).collect();
    let x = Array2::from_shape_fn((3, 6), |(i, j)| number(((i + j) % 2) as f32));
    let noise = Noise::new(Address::new(2, Purpose::Check), &[0, 1, 2]);
    let mut ws = Workspace::new(vae, 3, 4, Pass::Gradient).unwrap();
    let mut d = Gradient::zeros(vae.layout());
    vae.loss_and_gradient(&mut d, &mut ws, &x.view(), &params, noise, objective, T::one());
    d.values().iter().map(|d| d.to_f64()).collect()
}

fn config(latents: &[usize]) -> VaeConfig {
    let level = |&latent: &usize| LevelConfig { hidden: vec![5], latent };
    VaeConfig { levels: latents.iter().map(level).collect(), ..VaeConfig::new(6, &[], 1) }
}

/// Starting values with the log-variances that the encoders emit near `s`.
fn params_near(vae: &Vae<f32>, s: f32) -> Vec<f32> {
    let mut params = vae.init(Init::Uniform, 1, None);
    for level in &vae.levels {
        level.encoder.head().bias().of_mut(&mut params)[level.latent..].fill(s);
    }
    params
}

/// Where q is narrow, the direct term of log q and its path through z are large and cancel. The largest
/// difference to double precision, in units of the largest derivative; apart, it would be 4·10⁻⁴ at
/// s = −20, and more than 1 at s = −40.
#[test]
fn narrow_posteriors_keep_their_gradient() {
    for latents in [&[3][..], &[3, 2]] {
        let (single, double) =
            (Vae::new(config(latents)).unwrap(), Vae::<f64>::new(config(latents)).unwrap());
        for s in [0.0, -20.0, -40.0] {
            let params = params_near(&single, s);
            let (rough, exact) =
                (gradient(&single, &params, &Iwae), gradient(&double, &params, &Iwae));
            let largest = exact.iter().fold(0.0, |max: f64, d| max.max(d.abs()));
            let error =
                rough.iter().zip(&exact).fold(0.0, |max: f64, (a, b)| max.max((a - b).abs()));
            assert!(error <= 2e-5 * largest, "{latents:?}, s = {s}: {error:e} of {largest:e}");
        }
    }
}

/// An estimator that weighs log q's direct term by itself, so little apart that it makes no difference.
struct Apart;

impl Objective<f64> for Apart {
    fn spec(&self) -> Spec {
        Spec::new("apart")
    }
    fn uses_closed_form_kl(&self) -> bool {
        false
    }
    fn held_out(&self) -> Box<dyn Objective<f64>> {
        unreachable!("nothing is judged here")
    }
    fn weigh(&self, mut weights: Weights<'_, f64>, terms: &Terms<'_, f64>) -> f64 {
        let parts = Weights {
            log_px: weights.log_px.view_mut(),
            log_prior: weights.log_prior.view_mut(),
            direct: weights.direct.view_mut(),
            path: weights.path.view_mut(),
            kl: weights.kl.view_mut(),
        };
        let loss = Iwae.weigh(parts, terms);
        weights.direct.mapv_inplace(|direct| direct * (1.0 + 1e-14));
        loss
    }
}

/// Apart or as a whole, log q has one gradient.
#[test]
fn log_q_as_a_whole_is_its_two_terms() {
    for latents in [&[3][..], &[3, 2]] {
        let vae = Vae::<f64>::new(config(latents)).unwrap();
        let params = params_near(&Vae::new(config(latents)).unwrap(), -0.5);
        let (whole, apart) = (gradient(&vae, &params, &Iwae), gradient(&vae, &params, &Apart));
        assert!(whole != apart, "each takes its own way");
        for (a, b) in whole.iter().zip(&apart) {
            assert!((a - b).abs() < 1e-12, "{latents:?}: {a} {b}");
        }
    }
}

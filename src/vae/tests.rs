//! What the gradient checks in double precision cannot see: how the step fares in single precision.

use super::*;
use crate::family::Spec;
use crate::objective::iwae::Iwae;
use crate::objective::{Terms, Weights};
use crate::rng::{Address, Purpose};
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
    let level = |&latent: &usize| LevelConfig::dense(&[5], latent);
    VaeConfig { levels: latents.iter().map(level).collect(), ..VaeConfig::new(6, &[], 1) }
}

/// Starting values with the log-variances that the encoders emit near `s`.
fn params_near(vae: &Vae<f32>, s: f32) -> Vec<f32> {
    let mut params = vae.init(Init::Uniform, 1, None);
    for q in &vae.up {
        q.network().head().bias().of_mut(&mut params)[q.width()..].fill(s);
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

/// An estimator that asks for log q's two ways apart, and weighs them alike.
struct Apart;

impl Objective<f64> for Apart {
    fn takes_log_q_apart(&self) -> bool {
        true
    }
    fn spec(&self) -> Spec {
        Spec::new("apart")
    }
    fn uses_closed_form_kl(&self) -> bool {
        false
    }
    fn held_out(&self) -> Box<dyn Objective<f64>> {
        unreachable!("nothing is judged here")
    }
    fn weigh(&self, weights: Weights<'_, f64>, terms: &Terms<'_, f64>) -> f64 {
        Iwae.weigh(weights, terms)
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

/// Gives every second draw no weight, or one that is too small to be seen.
struct EverySecond(f64);

impl Objective<f64> for EverySecond {
    fn spec(&self) -> Spec {
        Spec::new("every-second")
    }
    fn uses_closed_form_kl(&self) -> bool {
        false
    }
    fn held_out(&self) -> Box<dyn Objective<f64>> {
        unreachable!("nothing is judged here")
    }
    fn weigh(&self, mut weights: Weights<'_, f64>, terms: &Terms<'_, f64>) -> f64 {
        weights.path.fill(1.0);
        for ((b, k), weight) in weights.log_px.indexed_iter_mut() {
            *weight = if (b + k) % 2 == 0 { self.0 } else { -0.1 * (b + 2 * k) as f64 };
            weights.log_prior[[b, k]] = terms.beta * *weight;
            weights.direct[[b, k]] = -terms.beta * *weight;
        }
        0.0
    }
}

/// The draws that the decoder's backward pass leaves out are those that add nothing, at every level; if
/// β is 0, as a warm-up starts, no draw of the upper decoder is left.
#[test]
fn draws_without_a_weight_are_left_out_and_nothing_else_is() {
    for hidden in [vec![], vec![5], vec![5, 4]] {
        let level = |latent| LevelConfig::dense(&hidden, latent);
        let config = VaeConfig { levels: vec![level(3), level(2)], ..VaeConfig::new(6, &[], 1) };
        let vae = Vae::<f64>::new(config).unwrap();
        let mut params = vec![0.0; vae.layout().len()];
        Address::new(1, Purpose::Check).fill_normal(&mut params);
        params.iter_mut().for_each(|p| *p *= 0.4);
        let x = Array2::from_shape_fn((3, 6), |(i, j)| ((i + j) % 2) as f64);
        let noise = Noise::new(Address::new(2, Purpose::Check), &[0, 1, 2]);
        for beta in [1.0, 0.0] {
            let gradient = |weight: f64| {
                let mut ws = Workspace::new(&vae, 3, 4, Pass::Gradient).unwrap();
                let mut d = Gradient::zeros(vae.layout());
                let objective = EverySecond(weight);
                vae.loss_and_gradient(&mut d, &mut ws, &x.view(), &params, noise, &objective, beta);
                d.values().to_vec()
            };
            let (without, with) = (gradient(0.0), gradient(1e-200));
            let largest = with.iter().fold(0.0, |max: f64, d| max.max(d.abs()));
            assert!(largest > 0.1);
            for (a, b) in without.iter().zip(&with) {
                assert!((a - b).abs() <= 1e-14 * largest, "β = {beta}: {a} {b}");
            }
        }
    }
}

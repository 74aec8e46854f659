//! Whole models: every likelihood × objective × prior × number of levels × number of samples, with
//! the posteriors, the conditionals between levels and the activations in turn.

use super::operations::values_for;
use super::{Case, Draws};
use crate::batch::Batch;
use crate::distribution::{self, Support};
use crate::family::Spec;
use crate::gradcheck::{Input, Subject};
use crate::gradient::Gradient;
use crate::nn::{Activation, network};
use crate::objective::{self, Objective};
use crate::prior;
use crate::rng::{Address, Purpose};
use crate::vae::{LevelConfig, Noise, Pass, Vae, VaeConfig, Workspace};
use ndarray::Array2;

/// A model, a batch and an objective; the parameters are the inputs, one tensor for each slot.
struct Model {
    vae: Vae<f64>,
    ws: Workspace<f64>,
    x: Array2<f64>,
    condition: Array2<f64>,
    objective: Box<dyn Objective<f64>>,
}

const BETA: f64 = 0.7;

impl Model {
    fn noise(&self) -> Noise<'static> {
        Noise::new(Address::new(5, Purpose::Check), &[4, 9][..self.x.nrows()]).training()
    }
}

impl Subject for Model {
    fn value(&mut self, inputs: &[Vec<f64>], kinks: &mut Vec<bool>) -> f64 {
        let (params, noise) = (self.vae.layout().spread(&inputs.concat()), self.noise());
        let batch = batch(&self.x, &self.condition);
        let score = self.vae.loss(&mut self.ws, batch, &params, noise, &*self.objective, BETA);
        self.vae.kinks(&self.ws, &*self.objective, BETA, &mut |side| kinks.push(side));
        score.loss
    }

    fn gradient(&mut self, inputs: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let (params, noise) = (self.vae.layout().spread(&inputs.concat()), self.noise());
        let mut d_params = Gradient::zeros(self.vae.layout());
        let batch = batch(&self.x, &self.condition);
        self.vae.loss_and_gradient(
            &mut d_params,
            &mut self.ws,
            batch,
            &params,
            noise,
            &*self.objective,
            BETA,
        );
        let d_params = d_params.values();
        self.vae.layout().slots().iter().map(|slot| d_params[slot.range()].to_vec()).collect()
    }
}

/// The rows as a part of a batch of more, under a condition if the model has one.
fn batch<'a>(x: &'a Array2<f64>, condition: &'a Array2<f64>) -> Batch<'a, f64> {
    let batch = Batch::new(x.view()).of(x.nrows() + 1);
    if condition.is_empty() { batch } else { batch.given(condition.view()) }
}

pub(super) fn cases() -> Vec<Case> {
    let specs = |examples: &[&str]| -> Vec<Spec> {
        examples.iter().map(|e| e.parse().expect("an example is a spec")).collect()
    };
    let distributions = distribution::members::<f64>();
    let all = distributions.iter().flat_map(|m| specs(m.examples));
    let posteriors: Vec<Spec> =
        all.clone().filter(|s| distribution::build_posterior::<f64>(s).is_ok()).collect();
    let likelihoods: Vec<Spec> =
        all.filter(|s| distribution::build_likelihood::<f64>(s).is_ok()).collect();
    // Between latents goes whatever scores any real value.
    let scores_reals = |s: &&Spec| {
        let p = distribution::build::<f64>(s).expect("an example can be built");
        p.facts(0).domain.support(-1.5) == Support::Inside
    };
    let between: Vec<Spec> = likelihoods.iter().filter(scores_reals).cloned().collect();
    let mut cases = Vec::new();
    for objective in objective::members::<f64>().iter().flat_map(|m| specs(m.examples)) {
        for prior in prior::members::<f64>().iter().flat_map(|m| specs(m.examples)) {
            for likelihood in &likelihoods {
                for (levels, samples) in [(1, 1), (1, 3), (2, 1), (2, 3)] {
                    let turn = cases.len();
                    // The lists that go by turns must not keep step with the loops around them.
                    let round = turn + turn / 4;
                    let config = VaeConfig {
                        width: 5,
                        condition: if turn % 3 == 0 { 2 } else { 0 },
                        levels: [("dense=7 dropout=0.2", 3), ("dense=5", 2)][..levels]
                            .iter()
                            .map(|(layers, latent)| LevelConfig {
                                layers: network::parse(layers).expect("layers that there are"),
                                latent: *latent,
                            })
                            .collect(),
                        activation: Activation::ALL[turn % Activation::ALL.len()],
                        likelihood: likelihood.clone(),
                        conditional: between[round % between.len()].clone(),
                        posterior: posteriors[round % posteriors.len()].clone(),
                        prior: prior.clone(),
                    };
                    // Not every prior suits every posterior and every chain.
                    let Ok(vae) = Vae::new(config) else { continue };
                    let objective = objective::build(&objective).expect("an example can be built");
                    let config = vae.config();
                    let between = match levels {
                        1 => String::new(),
                        _ => format!(" / {}", config.conditional),
                    };
                    let name = format!(
                        "{}, {}{between}, q {}, prior {}, L = {levels}, K = {samples}, {}",
                        objective.spec(),
                        config.likelihood,
                        config.posterior,
                        config.prior,
                        config.activation.name()
                    );
                    cases.extend(case(name, vae, objective, samples, turn));
                }
            }
        }
    }
    cases
}

/// None where the objective cannot train the model. `turn` chooses the numbers.
pub(crate) fn case(
    name: String,
    vae: Vae<f64>,
    objective: Box<dyn Objective<f64>>,
    samples: usize,
    turn: usize,
) -> Option<Case> {
    let rows = 2;
    vae.check_objective(&*objective).ok()?;
    let mut draws = Draws::new(100 + turn);
    let x = values_for(vae.likelihood(), rows * vae.width(), &mut draws);
    let x = Array2::from_shape_vec((rows, vae.width()), x).expect("rows × width values");
    let inputs = vae
        .layout()
        .slots()
        .iter()
        .map(|s| Input::new(&s.name, draws.normal(s.len(), 0.4)))
        .collect();
    let ws = Workspace::new(&vae, rows, samples, Pass::Gradient).expect("positive sizes");
    let shape = (rows, vae.condition());
    let condition = Array2::from_shape_vec(shape, draws.normal(rows * shape.1, 1.0));
    let condition = condition.expect("rows × width values");
    let subject = Box::new(Model { vae, ws, x, condition, objective });
    Some(Case { family: "model", member: "vae".to_owned(), name, inputs, subject })
}

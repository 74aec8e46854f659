//! Which whole models are checked: a pairwise cover of all that a model is made of.

use super::model::model;
use super::operation::Entry;
use super::pairwise::{Cover, Level, cover};
use super::specs;
use crate::distribution;
use crate::family::Spec;
use crate::nn::{self, Activation, network};
use crate::objective;
use crate::prior;
use crate::real::Real;
use crate::vae::{Inference, LevelConfig, Skip, Vae, VaeConfig};

/// What models are made of. The first of each list goes with everything.
#[derive(Clone, Debug)]
pub struct Lists {
    /// Of the data.
    pub likelihoods: Vec<Spec>,
    /// Between latents, of models with two levels, and how these are connected.
    pub conditionals: Vec<(Spec, Inference, Skip)>,
    /// Of the encoders.
    pub posteriors: Vec<Spec>,
    /// Of the topmost latent.
    pub priors: Vec<Spec>,
    /// What the models are trained with.
    pub objectives: Vec<Spec>,
    /// A layer behind a dense one, in each network.
    pub layers: Vec<Spec>,
    /// Of the layers.
    pub activations: Vec<Activation>,
    /// Importance samples.
    pub samples: Vec<usize>,
    /// Widths of the condition, 0 without one.
    pub conditions: Vec<usize>,
}

impl Lists {
    /// All members there are, with these activations.
    pub fn of_all_members(activations: &[Activation]) -> Self {
        let all = specs(&distribution::members::<f64>());
        let of = |fits: &dyn Fn(&Spec) -> bool| {
            all.iter().filter(|s| fits(s)).cloned().collect::<Vec<_>>()
        };
        let likelihood = |s: &Spec| distribution::build_likelihood::<f64>(s);
        // Between latents goes whatever scores any real value.
        let dense = |s: &Spec| likelihood(s).is_ok_and(|p| p.scores_latents(MOST_LATENTS));
        // Variants of one member are a matter of the data's side, which has them all.
        let (up, down) = (Inference::BottomUp, Inference::TopDown);
        let mut conditionals: Vec<(Spec, Inference, Skip)> =
            of(&dense).into_iter().map(|spec| (spec, up, Skip::None)).collect();
        conditionals.dedup_by_key(|(spec, ..)| spec.name().to_owned());
        let first = conditionals[0].0.clone();
        let of_up = [Skip::Up, Skip::Down, Skip::Both].map(|skip| (up, skip));
        let of_down = [Skip::None, Skip::Down].map(|skip| (down, skip));
        let all = of_up.into_iter().chain(of_down);
        conditionals.extend(all.map(|(inference, skip)| (first.clone(), inference, skip)));
        Lists {
            likelihoods: of(&|s| likelihood(s).is_ok()),
            conditionals,
            posteriors: of(&|s| distribution::build_posterior::<f64>(s).is_ok()),
            priors: specs(&prior::members::<f64>()),
            objectives: specs(&objective::members::<f64>()),
            layers: specs(&nn::members::<f64>()),
            activations: activations.to_vec(),
            samples: vec![1, 3],
            conditions: vec![0, 2],
        }
    }

    /// Levels of each factor: a model of one level has no conditional between latents, so that these and
    /// their absence are one factor.
    fn levels(&self) -> [usize; 9] {
        [
            self.likelihoods.len(),
            1 + self.conditionals.len(),
            self.posteriors.len(),
            self.priors.len(),
            self.objectives.len(),
            self.layers.len(),
            self.activations.len(),
            self.samples.len(),
            self.conditions.len(),
        ]
    }

    /// The model with these levels, and its name.
    fn choice(&self, row: &[usize], sizes: &Sizes) -> Choice {
        let &[
            likelihood,
            above,
            posterior,
            prior,
            objective,
            layer,
            activation,
            samples,
            condition,
        ] = row
        else {
            panic!("a level of each factor")
        };
        let (layer, samples) = (&self.layers[layer], self.samples[samples]);
        let conditional = above.checked_sub(1).map(|c| self.conditionals[c].clone());
        let (conditional, inference, skip) = conditional
            .map_or((None, Inference::BottomUp, Skip::None), |(spec, inference, skip)| {
                (Some(spec), inference, skip)
            });
        let levels = 1 + usize::from(conditional.is_some());
        let level = |(hidden, latent): &(usize, usize)| {
            let layers = network::parse(&format!("dense={hidden} {layer}"));
            LevelConfig { layers: layers.expect("layers that there are"), latent: *latent }
        };
        let plain = VaeConfig::new(sizes.width, &[], 1);
        let config = VaeConfig {
            width: sizes.width,
            condition: self.conditions[condition],
            exposure: false,
            forms: false,
            levels: sizes.levels[..levels].iter().map(level).collect(),
            inference,
            skip,
            activation: self.activations[activation],
            likelihood: self.likelihoods[likelihood].clone(),
            conditional: conditional.clone().unwrap_or(plain.conditional),
            posterior: self.posteriors[posterior].clone(),
            prior: self.priors[prior].clone(),
        };
        Choice {
            config,
            objective: self.objectives[objective].clone(),
            samples,
            layer: layer.clone(),
        }
    }

    /// What a level of the cover stands for.
    pub fn name_of(&self, (factor, level): Level) -> String {
        match factor {
            0 => format!("likelihood {}", self.likelihoods[level]),
            1 if level == 0 => "L = 1".to_owned(),
            1 => {
                let (spec, inference, skip) = &self.conditionals[level - 1];
                format!("conditional {spec}, {}, skip {}", inference.name(), skip.name())
            }
            2 => format!("posterior {}", self.posteriors[level]),
            3 => format!("prior {}", self.priors[level]),
            4 => format!("objective {}", self.objectives[level]),
            5 => format!("layer {}", self.layers[level]),
            6 => format!("activation {}", self.activations[level].name()),
            _ => format!("K = {}", self.samples[level]),
        }
    }

    /// The cover: rows of levels, and what no model can have.
    pub fn cover(&self) -> Cover {
        let plain = |row: &[usize]| self.choice(row, &SMALL).can_be();
        for (i, levels) in self.levels().into_iter().enumerate() {
            let with = |a| [(i, a)];
            assert!(
                (0..levels).all(|a| plain(&row_of(&with(a)))),
                "the first does not go with {i}"
            );
        }
        cover(&self.levels(), |one: Level, other: Level| plain(&row_of(&[one, other])))
    }
}

/// The row with these levels, and the first of all other factors.
fn row_of(levels: &[Level]) -> [usize; 9] {
    let mut row = [0; 9];
    levels.iter().for_each(|&(i, a)| row[i] = a);
    row
}

/// One model of the cover.
struct Choice {
    config: VaeConfig,
    layer: Spec,
    objective: Spec,
    samples: usize,
}

impl Choice {
    /// Whether there is such a model, and the objective can train it.
    fn can_be(&self) -> bool {
        let objective = objective::build::<f64>(&self.objective).expect("an example can be built");
        Vae::<f64>::new(self.config.clone())
            .is_ok_and(|vae| vae.check_objective(&*objective).is_ok())
    }

    fn name(&self) -> String {
        let VaeConfig { levels, likelihood, conditional, posterior, prior, activation, .. } =
            &self.config;
        let (inference, skip) = (self.config.inference, self.config.skip);
        let between = match (levels.len(), inference, skip) {
            (1, ..) => String::new(),
            (_, Inference::BottomUp, Skip::None) => format!(" / {conditional}"),
            _ => format!(" / {conditional}, {}, skip {}", inference.name(), skip.name()),
        };
        format!(
            "{}, {likelihood}{between}, q {posterior}, prior {prior}, {} {}, L = {}, K = {}, C = {}",
            self.objective,
            activation.name(),
            self.layer,
            levels.len(),
            self.samples,
            self.config.condition
        )
    }
}

/// How large the models are.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Rows of the batch, three at most.
    pub rows: usize,
    /// Width of the data.
    pub width: usize,
    /// Width of the first hidden layer and of the latent, of each level from the data upwards.
    pub levels: [(usize, usize); 2],
}

/// As small as a model can be and still show a mixed-up row or column.
pub const SMALL: Sizes = Sizes { rows: 2, width: 5, levels: [(7, 3), (5, 2)] };

/// More latents than any of the checks' models has.
const MOST_LATENTS: usize = 32;

/// Models of these lists in which each pair that can be is.
///
/// # Panics
/// If the first of a list does not go with everything, or two members that go together with the first of
/// all other lists do not do so with others.
pub fn models<T: Real>(lists: &Lists, sizes: &Sizes) -> Vec<Entry<T>> {
    let entry = |row: &Vec<usize>| {
        let choice = lists.choice(row, sizes);
        let name = choice.name();
        let vae = Vae::new(choice.config).unwrap_or_else(|e| panic!("{name}: {e}"));
        let objective = objective::build(&choice.objective).expect("an example can be built");
        // Two rows of mean 0 and variance 1 are the same two whatever they were.
        let rows = if choice.layer.name() == "batch-norm" { 3 } else { sizes.rows };
        model(name, vae, objective, rows, choice.samples)
    };
    lists.cover().rows.iter().map(entry).collect()
}

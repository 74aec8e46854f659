//! What a model is made of.

use super::chain::{Inference, Skip};
use crate::distribution;
use crate::error::{Error, Result};
use crate::family::Spec;
use crate::nn::{self, Activation, network};
use crate::prior;

/// One level of the chain: a latent and the networks between it and the level below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelConfig {
    /// The encoder's layers before its head; the decoder mirrors them ([`nn::network::mirrored`]).
    ///
    /// [`nn::network::mirrored`]: crate::nn::network::mirrored
    pub layers: Vec<Spec>,
    /// Width Z of the latent.
    pub latent: usize,
}

impl LevelConfig {
    /// A level with plain dense layers of these widths.
    pub fn dense(hidden: &[usize], latent: usize) -> Self {
        LevelConfig { layers: network::dense(hidden), latent }
    }
}

/// The architecture of a [`Vae`](super::Vae).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaeConfig {
    /// Width D of the data.
    pub width: usize,
    /// Width C of the condition that every network sees beside its input; 0 for none.
    pub condition: usize,
    /// Whether behind the condition stands ln e of each row, whose exposure e multiplies the rates of a likelihood that
    /// has some ([`crate::distribution::Distribution::rates`]). No network sees it.
    pub exposure: bool,
    /// Whether the encoder of the data sees each column in a form of its own: classes as one-hots, all other values in units of
    /// their spread. The likelihood scores them as they are.
    pub forms: bool,
    /// The levels, from the data upwards. One is the textbook VAE.
    pub levels: Vec<LevelConfig>,
    /// In which order latents are inferred, where there are several.
    pub inference: Inference,
    /// Which networks see past the level next to them, where there are several.
    pub skip: Skip,
    /// Of every layer that has an activation and names no other.
    pub activation: Activation,
    /// p(x|z₁)
    pub likelihood: Spec,
    /// p(z_{l−1}|z_l) for l ≥ 2.
    pub conditional: Spec,
    /// q(z_l|…) of what the encoder sees.
    pub posterior: Spec,
    /// p(z_L)
    pub prior: Spec,
}

/// No layer may be wider. Far above any use, it turns a slip of the pen (or a forged model file)
/// into an error before memory is asked for.
const WIDEST: usize = 1 << 24;

/// No network may have more layers: so many have noise of their own (`Noise::of_layers`).
const MOST_LAYERS: usize = 256;

impl VaeConfig {
    /// The textbook VAE: one latent of width `latent`, Bernoulli likelihood, normal posterior,
    /// standard normal prior, relu.
    pub fn new(width: usize, hidden: &[usize], latent: usize) -> Self {
        VaeConfig {
            width,
            condition: 0,
            exposure: false,
            forms: false,
            levels: vec![LevelConfig::dense(hidden, latent)],
            inference: Inference::BottomUp,
            skip: Skip::None,
            activation: Activation::Relu,
            likelihood: Spec::new("bernoulli"),
            conditional: Spec::new("normal"),
            posterior: Spec::new("normal"),
            prior: Spec::new("standard-normal"),
        }
    }

    /// Checks everything that can be wrong with it.
    ///
    /// # Errors
    /// Names the setting, and what it accepts.
    pub fn check(&self) -> Result<()> {
        let width = |name: &str, w: usize| match w {
            1..=WIDEST => Ok(()),
            _ => Err(Error::setting(name, format!("a width of {w} is not between 1 and {WIDEST}"))),
        };
        width("data", self.width)?;
        width("condition", self.condition.max(1))?;
        if self.levels.is_empty() || self.levels.len() > 64 {
            return Err(Error::setting(
                "latent",
                format!("{} levels are not between 1 and 64", self.levels.len()),
            ));
        }
        if self.levels.len() == 1 {
            let refuse = |name: &str, what: &str| {
                let message =
                    format!("there is no {what}: it needs two latents or more, as 100/50");
                Err(Error::setting(name, message))
            };
            if self.skip != Skip::None {
                return refuse("skip", "level to skip");
            }
            if self.inference != Inference::BottomUp {
                return refuse("inference", "order to choose");
            }
        }
        // Members are made in `f32` to ask them, whatever the model's numbers: what most programs have compiled
        // in anyway.
        for level in &self.levels {
            width("latent", level.latent)?;
            if level.layers.len() > MOST_LAYERS {
                let message = format!("{} layers are more than {MOST_LAYERS}", level.layers.len());
                return Err(Error::setting("network", message));
            }
            for spec in &level.layers {
                let plan = nn::build::<f32>(spec)?;
                plan.width().map_or(Ok(()), |w| width("hidden", w))?;
            }
        }
        // The family calls all of them distributions; the user knows them by their roles.
        let role = |name: &'static str| {
            move |e| match e {
                Error::Setting { name: family, message } if family == "distribution" => {
                    Error::setting(name, message)
                }
                e => e,
            }
        };
        let likelihood = distribution::build_likelihood::<f32>(&self.likelihood);
        let likelihood = likelihood.map_err(role("likelihood"))?;
        if self.forms && (self.skip.is_up() || self.inference == Inference::TopDown) {
            let message = "an encoder of latents sees data as they are";
            return Err(Error::setting("forms", message));
        }
        if self.exposure && likelihood.rates(self.width).is_empty() {
            let message = format!(
                "`{}` has no rates that a row's exposure could multiply; use `poisson`, \
                 `negative-binomial` or `zero-inflated`",
                self.likelihood
            );
            return Err(Error::setting("exposure", message));
        }
        let conditional = distribution::build_likelihood::<f32>(&self.conditional)
            .map_err(role("conditional"))?;
        let latents = self.levels.iter().rev().skip(1).map(|level| level.latent);
        if !latents.max().is_none_or(|width| conditional.scores_latents(width)) {
            let message = format!(
                "`{}` cannot score a latent, which is any number; use `normal`",
                self.conditional
            );
            return Err(Error::setting("conditional", message));
        }
        distribution::build_posterior::<f32>(&self.posterior).map_err(role("posterior"))?;
        prior::build::<f32>(&self.prior)?;
        Ok(())
    }
}

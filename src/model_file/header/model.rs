//! The architecture, as a model file describes it.

use crate::error::{Error, Result};
use crate::family::Spec;
use crate::nn::{Activation, network};
use crate::vae::{Inference, LevelConfig, Skip, VaeConfig};
use serde::{Deserialize, Serialize};

/// As [`VaeConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // the fields are VaeConfig's, documented there
pub struct ModelHeader {
    pub width: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub condition: usize,
    #[serde(default, skip_serializing_if = "is_false")]
    pub exposure: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub forms: bool,
    pub levels: Vec<LevelHeader>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip: Option<String>,
    pub activation: String,
    pub likelihood: String,
    pub conditional: String,
    pub posterior: String,
    pub prior: String,
}

/// As [`LevelConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "StoredLevel")]
#[allow(missing_docs)]
pub struct LevelHeader {
    pub latent: usize,
    pub layers: Vec<String>,
}

/// Models without a condition do not speak of it.
fn is_zero(width: &usize) -> bool {
    *width == 0
}

/// Nor do those without an exposure or forms.
fn is_false(has: &bool) -> bool {
    !*has
}

/// A level in a file of any format.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLevel {
    #[serde(default)]
    layers: Vec<String>,
    /// Before format 4.
    #[serde(default)]
    hidden: Vec<usize>,
    latent: usize,
}

impl From<StoredLevel> for LevelHeader {
    fn from(stored: StoredLevel) -> Self {
        let hidden = network::dense(&stored.hidden).into_iter().map(|spec| spec.to_string());
        LevelHeader { latent: stored.latent, layers: hidden.chain(stored.layers).collect() }
    }
}

impl From<&VaeConfig> for ModelHeader {
    fn from(c: &VaeConfig) -> Self {
        let level = |l: &LevelConfig| LevelHeader {
            latent: l.latent,
            layers: l.layers.iter().map(Spec::to_string).collect(),
        };
        ModelHeader {
            width: c.width,
            condition: c.condition,
            exposure: c.exposure,
            forms: c.forms,
            levels: c.levels.iter().map(level).collect(),
            inference: (c.inference != Inference::BottomUp).then(|| c.inference.name().to_owned()),
            skip: (c.skip != Skip::None).then(|| c.skip.name().to_owned()),
            activation: c.activation.name().to_owned(),
            likelihood: c.likelihood.to_string(),
            conditional: c.conditional.to_string(),
            posterior: c.posterior.to_string(),
            prior: c.prior.to_string(),
        }
    }
}

impl TryFrom<&ModelHeader> for VaeConfig {
    type Error = Error;

    fn try_from(h: &ModelHeader) -> Result<Self> {
        let level = |l: &LevelHeader| -> Result<LevelConfig> {
            let layers = l.layers.iter().map(|layer| layer.parse()).collect::<Result<_>>()?;
            Ok(LevelConfig { layers, latent: l.latent })
        };
        let config = VaeConfig {
            width: h.width,
            condition: h.condition,
            exposure: h.exposure,
            forms: h.forms,
            levels: h.levels.iter().map(level).collect::<Result<_>>()?,
            inference: h.inference.as_deref().map_or(Ok(Inference::BottomUp), str::parse)?,
            skip: h.skip.as_deref().map_or(Ok(Skip::None), str::parse)?,
            activation: h.activation.parse::<Activation>()?,
            likelihood: h.likelihood.parse::<Spec>()?,
            conditional: h.conditional.parse::<Spec>()?,
            posterior: h.posterior.parse::<Spec>()?,
            prior: h.prior.parse::<Spec>()?,
        };
        config.check()?;
        Ok(config)
    }
}

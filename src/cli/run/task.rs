//! What is learned, and with what model: the flags that are no settings of the training.

use crate::columns::kinds;
use clap::Args;
use elbo::data::{Binarize, ConditionKind, Dataset, LABEL, ReadOptions, Source, Wanted};
use elbo::error::{Error, Result};
use elbo::family::Spec;
use elbo::nn::network;
use elbo::settings::finite;
use elbo::vae::{LevelConfig, VaeConfig};
use serde::{Deserialize, Serialize};

/// What is learned, and with what model. (How it is trained is the library's list of settings.)
#[derive(Args, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Task {
    /// `digits` (embedded), a file or a folder in one of the formats listed below, or `-` for standard input
    #[arg(long, short, value_name = "NAME|PATH", default_value = "digits", help_heading = "Data")]
    pub(crate) data: String,
    /// The CSV column that holds labels, which are kept but not learned: by name, or by number from 1
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) label: Option<String>,
    /// What all networks are given beside their input: `label`, or columns (or arrays of an NPZ) by name, or number from
    /// 1: of classes, or `NAME=number`. Then `elbo sample` makes rows of any
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<Vec<String>>,
    /// The column of what each row's counts are in proportion to, such as time, area or total: it multiplies the rates of
    /// poisson, negative-binomial or zero-inflated
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exposure: Option<String>,
    /// Learn these CSV columns only, in this order: names, numbers from 1, or ranges such as 2-5 [default: all but the label and the conditions]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) columns: Option<Vec<String>>,
    /// Leave these CSV columns out: names, numbers from 1, or ranges
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) drop: Option<Vec<String>>,
    /// Whether a CSV file's first line holds names: auto, yes or no
    #[arg(long, value_name = "WHETHER", default_value = "auto", help_heading = "Data")]
    #[serde(default = "auto")]
    pub(crate) header: String,
    /// What stands between the cells of a CSV file: a character, tab or space [default: found out, of comma, semicolon, tab and |]
    #[arg(long, value_name = "CHAR", help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delimiter: Option<String>,
    /// Pass over the lines of a CSV file that begin with this: a character, or none [default: #]
    #[arg(long, value_name = "CHAR", help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) comment: Option<String>,
    /// What stands in a CSV file's cells that are missing, beside nothing at all [default: NA, N/A, NaN, null, None, ? and -]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<Vec<String>>,
    /// What CSV columns hold: `NAME=number`, `=class`, `=date`, `=key` or `=text` (the last two are left out) [default: found out, as
    /// elbo columns says]
    #[arg(long, value_name = "A=KIND,…", value_delimiter = ',', help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) kinds: Option<Vec<String>>,
    /// Scale the images of a folder to this size: HEIGHTxWIDTH, or one number for both
    #[arg(long, value_name = "SIZE", help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) resize: Option<String>,
    /// Show the model columns in units of their spread: auto (numbers that are not pixels, under a normal), yes or no
    #[arg(long, value_name = "WHETHER", default_value = "auto", help_heading = "Data")]
    #[serde(default = "no")] // what runs did whose checkpoints do not know of it
    pub(crate) standardize: String,
    /// Set aside this share of the training rows to choose the best weights by
    #[arg(long, value_name = "FRACTION", default_value_t = 0.0, value_parser = finite, help_heading = "Data")]
    pub(crate) validation: f64,
    /// Set aside this share of the rows as a test part, if the data has none of its own
    #[arg(long, value_name = "FRACTION", default_value_t = 0.1, value_parser = finite, help_heading = "Data")]
    pub(crate) test: f64,
    /// Train on the first ROWS training rows only
    #[arg(long, value_name = "ROWS", help_heading = "Data")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<usize>,
    /// Make grey values 0 or 1: none, threshold (at ½), static (a coin once), dynamic (a coin each time)
    #[arg(long, value_name = "HOW", default_value = "none", help_heading = "Data")]
    pub(crate) binarize: String,

    /// Widths of the encoder's hidden layers (the decoder mirrors them); levels apart by `/`
    #[arg(long, value_name = "WIDTHS", default_value = "400,200", help_heading = "Model")]
    pub(crate) hidden: String,
    /// The encoder's layers, in place of --hidden: `dense=400 dropout=0.2 dense=200`, of the list below; levels apart by `/`
    #[arg(long, value_name = "LAYERS", conflicts_with = "hidden", help_heading = "Model")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) network: Option<String>,
    /// Width of the latent; levels apart by `/`, the lowest first (`100/50`)
    #[arg(long, value_name = "WIDTH", default_value = "20", help_heading = "Model")]
    pub(crate) latent: String,
    /// In which order several levels are inferred: bottom-up, q(z_1|x) q(z_2|z_1), or top-down, q(z_2|x) q(z_1|z_2, x)
    #[arg(long, value_name = "ORDER", default_value = "bottom-up", help_heading = "Model")]
    #[serde(default = "bottom_up")]
    pub(crate) inference: String,
    /// Which networks of several levels see past the one next to them: none, up (encoders see the data, too), down (decoders see all latents above), both
    #[arg(long, value_name = "WHICH", default_value = "none", help_heading = "Model")]
    #[serde(default = "none")]
    pub(crate) skip: String,
    /// relu, leaky-relu, tanh, sigmoid, softplus, silu or gelu
    #[arg(long, value_name = "NAME", default_value = "relu", help_heading = "Model")]
    pub(crate) activation: String,
    /// p(x|z): a distribution of the list below, `name` or `name:key=value`
    #[arg(long, value_name = "SPEC", default_value = "bernoulli", help_heading = "Model")]
    pub(crate) likelihood: String,
    /// p(z_l|z_{l+1}) between levels: a distribution
    #[arg(long, value_name = "SPEC", default_value = "normal", help_heading = "Model")]
    pub(crate) conditional: String,
    /// q(z|x): a distribution that can be drawn from differentiably
    #[arg(long, value_name = "SPEC", default_value = "normal", help_heading = "Model")]
    pub(crate) posterior: String,
    /// p(z): a prior of the list below
    #[arg(long, value_name = "SPEC", default_value = "standard-normal", help_heading = "Model")]
    pub(crate) prior: String,
    /// Start from the weights of this model, a file or a run's folder, on other data or with another objective; unless
    /// they are given, the model's settings are those of its run
    #[arg(long, value_name = "MODEL", help_heading = "Model")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
}

impl Task {
    /// The model for rows of `width` values.
    ///
    /// # Errors
    /// Names the flag that is wrong.
    pub(crate) fn model(&self, width: usize) -> Result<VaeConfig> {
        let spec = |text: &str| text.parse::<Spec>();
        let config = VaeConfig {
            width,
            condition: 0,
            exposure: self.exposure.is_some(),
            forms: false,
            levels: self.levels()?,
            inference: self.inference.parse()?,
            skip: self.skip.parse()?,
            activation: self.activation.parse()?,
            likelihood: spec(&self.likelihood)?,
            conditional: spec(&self.conditional)?,
            posterior: spec(&self.posterior)?,
            prior: spec(&self.prior)?,
        };
        config.check()?;
        Ok(config)
    }

    /// `200,200/100` and `50/20` as levels; or `dense=200 dropout=0.2/dense=100`.
    fn levels(&self) -> Result<Vec<LevelConfig>> {
        let number = |flag: &str, text: &str| {
            text.trim().parse::<usize>().map_err(|_| {
                let message =
                    format!("`{text}` is not a width; write numbers such as 400 or 200,200");
                Error::setting(flag, message)
            })
        };
        let latent: Vec<_> =
            self.latent.split('/').map(|t| number("latent", t)).collect::<Result<_>>()?;
        let widths = |text: &str| -> Result<Vec<Spec>> {
            let texts = text.split(',').filter(|t| !t.trim().is_empty());
            let widths = texts.map(|t| number("hidden", t)).collect::<Result<Vec<_>>>()?;
            if widths.contains(&0) {
                return Err(Error::setting("hidden", "a width of 0 is no layer; leave it out"));
            }
            Ok(network::dense(&widths))
        };
        let (flag, mut layers) = match &self.network {
            None => ("hidden", self.hidden.split('/').map(widths).collect::<Result<Vec<_>>>()?),
            Some(text) => {
                ("network", text.split('/').map(network::parse).collect::<Result<Vec<_>>>()?)
            }
        };
        if layers.len() == 1 {
            layers.resize(latent.len(), layers[0].clone()); // one network serves every level
        }
        if layers.len() != latent.len() {
            let message = format!("has {} levels, but --latent has {}", layers.len(), latent.len());
            return Err(Error::setting(flag, message));
        }
        let levels = layers.into_iter().zip(latent);
        Ok(levels.map(|(layers, latent)| LevelConfig { layers, latent }).collect())
    }

    /// The name of embedded data, which a model file may hold (a path it may not).
    pub(crate) fn embedded(&self) -> Option<String> {
        Source::is_embedded(&self.data).then(|| self.data.clone())
    }

    /// How the data is to be read.
    ///
    /// # Errors
    /// Names the flag that is wrong.
    pub(crate) fn options(&self) -> Result<ReadOptions> {
        Ok(ReadOptions {
            label: self.label.clone(),
            classes: self.classes(),
            columns: self.columns.clone(),
            drop: self.drop.clone(),
            header: whether("header", &self.header)?,
            delimiter: self.delimiter.clone(),
            comment: self.comment.clone(),
            mixed: false,
            missing: self.missing.clone(),
            kinds: self.kinds.as_deref().map(kinds).transpose()?,
            resize: self.resize.as_deref().map(size).transpose()?,
            expected: None,
        })
    }

    /// Whether these data are a table of several kinds, and the likelihood the one that fits it.
    ///
    /// # Errors
    /// If they are one, and the likelihood is another.
    pub(crate) fn has_kinds(&self, data: &Dataset) -> Result<bool> {
        let Some(kinds) = data.kinds() else { return Ok(false) };
        if self.likelihood != kinds.likelihood(data.rows()) {
            let message = "each column of a table of several kinds, or with missing cells, has its own: leave this out";
            return Err(Error::setting("likelihood", message));
        }
        if self.standardize == "yes" {
            let message = "columns of several kinds are seen in units of their own: leave this out";
            return Err(Error::setting("standardize", message));
        }
        Ok(true)
    }

    /// The columns that rows are given, as they were asked for, the exposure last; the labels are read without.
    fn wanted(&self) -> Vec<Wanted> {
        let parsed = self.condition.iter().flatten().filter_map(|text| text.parse().ok());
        let exposure = self
            .exposure
            .iter()
            .map(|name| Wanted { name: name.trim().to_owned(), kind: ConditionKind::Exposure });
        parsed.chain(exposure).collect()
    }

    /// The columns that are to be read for them.
    fn classes(&self) -> Option<Vec<String>> {
        let mut names = Vec::new();
        for Wanted { name, kind } in self.wanted() {
            // The exposure may be a number, too.
            if name != LABEL && !(kind == ConditionKind::Exposure && names.contains(&name)) {
                names.push(name);
            }
        }
        Some(names).filter(|names| !names.is_empty())
    }

    /// What the rows of these data are given: their labels, and columns by the names that they have there.
    pub(crate) fn conditions(&self, data: &Dataset) -> Vec<Wanted> {
        let mut wanted = self.wanted();
        let asked = self.classes().unwrap_or_default();
        for wanted in wanted.iter_mut().filter(|wanted| wanted.name != LABEL) {
            let place = asked.iter().position(|name| *name == wanted.name);
            let read = place.and_then(|place| data.all_classes().get(place)?.column());
            wanted.name = read.unwrap_or(&wanted.name).to_owned();
        }
        wanted.sort_by_key(|wanted| wanted.name != LABEL);
        wanted
    }

    /// Whether units are of use: for a likelihood whose columns all have a location and a scale, of values as
    /// they are.
    ///
    /// # Errors
    /// If the likelihood or the binarisation is unknown.
    pub(crate) fn has_units(&self, likelihood: &Spec, width: usize) -> Result<bool> {
        let p = elbo::distribution::build::<f32>(likelihood)?;
        Ok((0..width).all(|i| p.facts(i).location_scale)
            && self.binarize.parse::<Binarize>()? == Binarize::None)
    }

    /// Whether the columns of `data` are to be standardised for this likelihood.
    ///
    /// # Errors
    /// Names the flag that is wrong.
    pub(crate) fn standardizes(&self, data: &Dataset, likelihood: &Spec) -> Result<bool> {
        let sensible = self.has_units(likelihood, data.width())?;
        match whether("standardize", &self.standardize)? {
            None => Ok(sensible && !data.are_pixels()),
            Some(true) if !sensible => {
                let message = format!(
                    "`{likelihood}`, or binarised values, have no use for units; leave it out"
                );
                Err(Error::setting("standardize", message))
            }
            Some(answer) => Ok(answer),
        }
    }
}

fn auto() -> String {
    "auto".to_owned()
}

fn bottom_up() -> String {
    "bottom-up".to_owned()
}

fn none() -> String {
    "none".to_owned()
}

fn no() -> String {
    "no".to_owned()
}

/// yes, no, or neither.
pub(crate) fn whether(flag: &str, text: &str) -> Result<Option<bool>> {
    match text {
        "auto" => Ok(None),
        "yes" => Ok(Some(true)),
        "no" => Ok(Some(false)),
        _ => Err(Error::setting(flag, format!("`{text}` is unknown; known are auto, yes, no"))),
    }
}

/// `32` or `24x32`.
pub(crate) fn size(text: &str) -> Result<(usize, usize)> {
    let side = |t: &str| t.trim().parse::<usize>().ok().filter(|side| *side > 0);
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    side(height).zip(side(width)).ok_or_else(|| {
        let message = format!("`{text}` is not a size; write 32, or 24x32 for height and width");
        Error::setting("resize", message)
    })
}

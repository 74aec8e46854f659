//! What a model file says about its weights: one key of canonical JSON.
//!
//! These structures are the format. They hold names and numbers only, in the spelling of the command
//! line, so that the engine's own types can change without changing the file. Nothing in them depends
//! on where, when or with how many threads a model was trained.

use crate::data::{
    ColumnKind, Columns, Conditions, Expected, ImageShape, LABEL, Table, TableLayout, Unit,
};
use crate::error::{Error, Result};
use crate::rng::{Address, Purpose};
use crate::train::WeightsKind;
use crate::vae::VaeConfig;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod conditions;
mod data;
mod model;
#[cfg(test)]
mod tests;
mod training;

pub use conditions::{CombinationHeader, ConditionHeader, ConditionsHeader, NumbersHeader};
use data::NO_BYTES;
pub use data::{DataHeader, TableHeader};
pub use model::{LevelHeader, ModelHeader};
pub use training::TrainingHeader;

/// The version of the format that this crate writes. It reads all versions from 1 on:
///
/// | version | new in it |
/// |---|---|
/// | 1 | |
/// | 2 | `columns` and `scaler`, and `label` among the data |
/// | 3 | `bytes` among the data |
/// | 4 | a level's `layers` in place of `hidden`, the widths of plain dense ones |
///
/// A new setting of the training is no new version: a file without it means the default, and a program that
/// does not know it refuses the file by the key's name. The same goes for the conditions of a conditional model.
pub const FORMAT: u32 = 4;

/// Everything but the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Version of the format.
    pub format: u32,
    /// The architecture.
    pub model: ModelHeader,
    /// What a row is, if it is an image: `[height, width, channels]`.
    pub image: Option<[usize; 3]>,
    /// The names of the columns, if they have names.
    #[serde(default)]
    pub columns: Option<Vec<String>>,
    /// The units in which the model sees the columns, if not in their own.
    #[serde(default)]
    pub scaler: Option<ScalerHeader>,
    /// What the columns are, of a table of several kinds or with missing cells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kinds: Option<Table>,
    /// What the rows are given, if the classes have names: a program may give others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<ConditionsHeader>,
    /// How it was trained, if it was.
    pub training: Option<TrainingHeader>,
    /// Which weights of the training these are.
    pub weights: Option<WeightsHeader>,
}

/// The shifts and scales of the columns' [`Unit`]s.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct ScalerHeader {
    pub mean: Vec<f64>,
    pub scale: Vec<f64>,
}

impl From<Vec<Unit>> for ScalerHeader {
    fn from(units: Vec<Unit>) -> Self {
        let [mean, scale] =
            [Unit::shift, Unit::scale].map(|of: fn(&Unit) -> f64| units.iter().map(of).collect());
        ScalerHeader { mean, scale }
    }
}

/// As [`WeightsKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct WeightsHeader {
    pub average: bool,
    pub best: bool,
    pub epoch: u32,
    pub step: u64,
}

impl From<WeightsKind> for WeightsHeader {
    fn from(k: WeightsKind) -> Self {
        WeightsHeader { average: k.average, best: k.best, epoch: k.epoch, step: k.step }
    }
}

impl Header {
    /// The header of a model that has not been trained.
    pub fn new(model: &VaeConfig, image: Option<ImageShape>) -> Self {
        let image = image.map(|i| [i.height, i.width, i.channels]);
        Header {
            format: FORMAT,
            model: ModelHeader::from(model),
            image,
            columns: None,
            scaler: None,
            kinds: None,
            conditions: None,
            training: None,
            weights: None,
        }
    }

    /// The same header, of a model of these columns.
    pub fn with_columns(self, columns: &Columns) -> Self {
        let texts = columns.texts();
        Header {
            columns: texts.map(|texts| texts.into_iter().map(str::to_owned).collect()),
            scaler: columns.units().map(ScalerHeader::from),
            ..self
        }
    }

    /// The same header, of a model of the learned columns of this table.
    pub fn with_kinds(self, kinds: Option<&Table>) -> Self {
        Header { kinds: kinds.cloned(), ..self }
    }

    /// The same header, of a model whose rows are given these.
    pub fn with_conditions(self, conditions: Option<&Conditions>) -> Self {
        Header { conditions: conditions.map(ConditionsHeader::from), ..self }
    }

    /// What the rows are given, if the file names it.
    ///
    /// # Errors
    /// If it is not what the model takes; not for a model that was opened.
    pub fn conditions(&self) -> Result<Option<Conditions>> {
        let Some(header) = &self.conditions else { return Ok(None) };
        let conditions = header.conditions()?;
        let exposure = conditions.has_exposure();
        let (found, wanted) = (conditions.width() - usize::from(exposure), self.model.condition);
        if found != wanted || exposure != self.model.exposure {
            let message = format!("{found} levels and numbers of a condition of {wanted} values");
            return Err(Error::setting("condition", message));
        }
        Ok(Some(conditions))
    }

    /// Canonical JSON: keys sorted, no spaces, shortest numbers that read back the same.
    pub fn to_json(&self) -> String {
        let value = serde_json::to_value(self).expect("plain names and finite numbers are JSON");
        sorted(value).to_string()
    }

    /// Reads what [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// One line that says what is wrong.
    pub fn from_json(text: &str) -> std::result::Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let version: Version =
            serde_json::from_str(text).map_err(|e| format!("its header is damaged: {e}"))?;
        if !(1..=FORMAT).contains(&version.format) {
            return Err(format!(
                "its format is {}, this program reads 1 to {FORMAT}: use the version of elbo that wrote it",
                version.format
            ));
        }
        let header: Header =
            serde_json::from_str(text).map_err(|e| format!("its header is damaged: {e}"))?;
        // Written again it is of the newest version.
        Ok(Header { format: FORMAT, ..header })
    }

    /// Checks what stands here of the rows, for a model of this `width`.
    ///
    /// # Errors
    /// If an image, the columns' names or their units are not for rows of that width, or the conditions not
    /// the model's.
    pub fn check_rows(&self, width: usize) -> Result<()> {
        self.conditions()?;
        if let Some(kinds) = &self.kinds {
            kinds.check()?;
            if kinds.width() != width {
                let found = kinds.width();
                return Err(Error::setting("data", format!("{found} kinds of a row of {width}")));
            }
        }
        if let Some(image) = self.image() {
            image.check(width)?;
        }
        match self.columns()?.width() {
            found if found == width => Ok(()),
            found => Err(Error::setting("data", format!("{found} columns of a row of {width}"))),
        }
    }

    /// The columns, in the units in which the model sees them.
    ///
    /// # Errors
    /// If there are more or fewer names or units than columns, or a unit is none; not for a model that was
    /// opened.
    pub fn columns(&self) -> Result<Columns> {
        let data = self.training.as_ref().map(|t| &t.data);
        let pixels = data.is_some_and(|d| d.bytes != NO_BYTES);
        let kind = if pixels { ColumnKind::Pixel } else { ColumnKind::Number };
        let mut columns = match &self.kinds {
            Some(kinds) => kinds.plain_columns(),
            None => Columns::alike(self.model.width, kind),
        };
        let numbers = data.and_then(|d| d.table.as_ref()).and_then(|t| t.columns.clone());
        columns = match (self.columns.clone(), numbers) {
            (Some(names), _) => columns.with_names(names)?,
            (None, Some(numbers)) => columns.with_names(numbers)?,
            (None, None) => columns,
        };
        match &self.scaler {
            Some(s) => columns.with_units(&Unit::all(&s.mean, &s.scale)?),
            None => Ok(columns),
        }
    }

    /// What data for this model should look like.
    pub fn expected(&self) -> Expected {
        let data = self.training.as_ref().map(|t| &t.data);
        let label = data.and_then(|d| d.label.clone());
        let table = data
            .and_then(|d| d.table.as_ref())
            .map(|t| TableLayout { comment: t.comment.filter(char::is_ascii).map(|c| c as u8) });
        // A header that was opened has columns that fit, and a name that is known.
        let (columns, bytes) = (self.columns().ok(), data.and_then(|d| d.bytes().ok().flatten()));
        let conditions = self.conditions.iter().flat_map(|c| &c.list);
        let names = conditions.map(|c| c.name.clone()).filter(|name| name != LABEL);
        let mut classes: Vec<_> = names.collect();
        // The exposure is the last, and may be a number, too.
        let again = classes.split_last().is_some_and(|(last, rest)| rest.contains(last));
        classes.truncate(classes.len() - usize::from(again));
        let kinds = self.kinds.clone();
        Expected { columns, label, classes, image: self.image(), table, kinds, bytes }
    }

    /// Where the noise of evaluations lives: at the seed of the training.
    pub fn noise(&self) -> Address {
        Address::new(self.training.as_ref().map_or(0, |t| t.config.seed), Purpose::Test)
    }

    /// The image shape of a row.
    pub fn image(&self) -> Option<ImageShape> {
        self.image.map(|[height, width, channels]| ImageShape { height, width, channels })
    }
}

/// The same value with the keys of every object in order. (A map of `serde_json` is sorted by itself
/// only as long as nobody in the program asks it to keep the order of insertion.)
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.into_iter().map(|(k, v)| (k, sorted(v))).collect();
            pairs.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(pairs.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        plain => plain,
    }
}

//! How a model was trained and on what, as its file says.

use super::data::{DataHeader, NO_BYTES, TableHeader};
use crate::data::{Binarize, Bytes, Dataset, Labels, Roles, Source};
use crate::error::{Error, Result};
use crate::settings::files::{Spelling, entries, take};
use crate::train::TrainConfig;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

/// How a model was trained, and on what. In the file the settings stand beside `data`, each under its own
/// key (see [`crate::settings`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct TrainingHeader {
    /// The settings.
    #[serde(flatten, serialize_with = "write_settings")]
    pub config: TrainConfig,
    /// The data and the roles of its rows.
    pub data: DataHeader,
}

fn write_settings<S: Serializer>(
    c: &TrainConfig,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    entries(c, Spelling::Model).serialize(serializer)
}

impl TryFrom<Map<String, Value>> for TrainingHeader {
    type Error = String;

    fn try_from(mut map: Map<String, Value>) -> std::result::Result<Self, String> {
        let config = take(&mut map, Spelling::Model)?;
        let data = map.remove("data").ok_or("missing field `data`")?;
        let data = serde_json::from_value(data).map_err(|e| e.to_string())?;
        match map.keys().next() {
            Some(stranger) => Err(format!("unknown field `{stranger}`")),
            None => Ok(TrainingHeader { config, data }),
        }
    }
}

impl TrainingHeader {
    /// The header of a run. `source` are the rows offered for training; `embedded` is their name if
    /// they need no file.
    pub fn new(c: &TrainConfig, roles: &Roles, source: &Dataset, embedded: Option<String>) -> Self {
        TrainingHeader {
            config: c.clone(),
            data: DataHeader {
                embedded,
                rows: source.rows(),
                fingerprint: format!("{:016x}", source.fingerprint()),
                validation: roles.validation,
                test: roles.test,
                limit: roles.limit,
                binarize: roles.binarize.name().to_owned(),
                label: source.labels().and_then(Labels::column).map(str::to_owned),
                table: TableHeader::of(source),
                bytes: source.bytes().map_or(NO_BYTES, Bytes::name).to_owned(),
            },
        }
    }

    /// Checks everything that opening a model promises.
    ///
    /// # Errors
    /// As [`TrainConfig::check`], [`Self::roles`] and [`DataHeader::bytes`], and if the data calls itself
    /// embedded and is not.
    pub(in crate::model_file) fn check(&self) -> Result<()> {
        self.config.check()?;
        self.roles()?.check()?;
        self.data.bytes()?;
        match &self.data.embedded {
            Some(name) if !Source::is_embedded(name) => {
                Err(Error::setting("data", format!("`{name}` is not embedded data")))
            }
            _ => Ok(()),
        }
    }

    /// The roles of the rows.
    ///
    /// # Errors
    /// If the binarisation is unknown.
    pub fn roles(&self) -> Result<Roles> {
        let d = &self.data;
        let binarize = d.binarize.parse::<Binarize>()?;
        Ok(Roles {
            validation: d.validation,
            test: d.test,
            limit: d.limit,
            binarize,
            seed: self.config.seed,
        })
    }
}

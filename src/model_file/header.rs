//! What a model file says about its weights: one key of canonical JSON.
//!
//! These structures are the format. They hold names and numbers only, in the spelling of the command
//! line, so that the engine's own types can change without changing the file. Nothing in them depends
//! on where, when or with how many threads a model was trained.

use crate::data::{
    Binarize, Bytes, ColumnKind, Columns, Expected, ImageShape, Labels, Roles, Source, TableLayout,
    Unit,
};
use crate::error::{Error, Result};
use crate::family::Spec;
use crate::nn::{Activation, network};
use crate::rng::{Address, Purpose};
use crate::settings::files::{Spelling, entries, take};
use crate::train::{TrainConfig, WeightsKind};
use crate::vae::{LevelConfig, VaeConfig};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};

mod data;

use data::NO_BYTES;
pub use data::{DataHeader, TableHeader};

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
/// does not know it refuses the file by the key's name.
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
    /// How it was trained, if it was.
    pub training: Option<TrainingHeader>,
    /// Which weights of the training these are.
    pub weights: Option<WeightsHeader>,
}

/// As [`VaeConfig`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)] // the fields are VaeConfig's, documented there
pub struct ModelHeader {
    pub width: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub condition: usize,
    pub levels: Vec<LevelHeader>,
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
    /// If an image, the columns' names or their units are not for rows of that width.
    pub fn check_rows(&self, width: usize) -> Result<()> {
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
        let mut columns = Columns::alike(self.model.width, kind);
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
        Expected { columns, label, image: self.image(), table, bytes }
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

impl From<&VaeConfig> for ModelHeader {
    fn from(c: &VaeConfig) -> Self {
        let level = |l: &LevelConfig| LevelHeader {
            latent: l.latent,
            layers: l.layers.iter().map(Spec::to_string).collect(),
        };
        ModelHeader {
            width: c.width,
            condition: c.condition,
            levels: c.levels.iter().map(level).collect(),
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
            levels: h.levels.iter().map(level).collect::<Result<_>>()?,
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

impl TrainingHeader {
    /// The header of a run. `source` are the rows offered for training; `embedded` is their name if
    /// they need no file.
    pub fn new(
        c: &TrainConfig,
        roles: &Roles,
        source: &crate::data::Dataset,
        embedded: Option<String>,
    ) -> Self {
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
    pub(super) fn check(&self) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, Values};

    /// The format, to the byte: a change here is a change of the format.
    #[test]
    fn the_header_is_canonical() {
        let json = Header::new(&VaeConfig::new(4, &[3], 2), None).to_json();
        let expected = concat!(
            r#"{"columns":null,"format":4,"image":null,"model":{"activation":"relu","conditional":"normal","#,
            r#""levels":[{"latent":2,"layers":["dense=3"]}],"likelihood":"bernoulli","posterior":"normal","#,
            r#""prior":"standard-normal","width":4},"scaler":null,"training":null,"weights":null}"#
        );
        assert_eq!(json, expected);
        assert_eq!(Header::from_json(&json).unwrap().to_json(), json);
        // Version 1 knew neither columns nor scaler.
        let first = json.replace(r#""columns":null,"#, "").replace(r#""scaler":null,"#, "");
        let first = first.replace(r#""layers":["dense=3"]"#, r#""hidden":[3]"#);
        let first = Header::from_json(&first.replace("\"format\":4", "\"format\":1")).unwrap();
        assert_eq!(first.to_json(), json);
    }

    /// The header of a model that was trained on these data, in these columns.
    fn trained(data: &Dataset, columns: &Columns) -> Header {
        let (validation, test, limit, seed) = (0.0, 0.0, None, 0);
        let roles = Roles { validation, test, limit, binarize: Binarize::None, seed };
        let training = TrainingHeader::new(&TrainConfig::default(), &roles, data, None);
        let header = Header::new(&VaeConfig::new(data.width(), &[], 1), None).with_columns(columns);
        Header { training: Some(training), ..header }
    }

    /// Names, or their numbers in the file, and units; and how a table was read.
    #[test]
    fn columns_come_back_as_they_were() {
        let data = || Dataset::new(Values::F64(vec![1.0, 2.0]), 2).unwrap();
        let table = || data().with_table(TableLayout { comment: Some(b'%') }, None);
        let units = Unit::all(&[1.0, -2.0], &[0.5, 3.0]).unwrap();
        let texts = ["a", "b"].map(str::to_owned).to_vec();
        for data in [
            data(),
            data().with_columns(texts.clone()).unwrap(),
            table().with_columns(texts).unwrap(),
            table().with_columns(vec![3, 1]).unwrap(),
        ] {
            for columns in
                [data.columns().clone(), data.columns().clone().with_units(&units).unwrap()]
            {
                let json = trained(&data, &columns).to_json();
                let again = Header::from_json(&json).unwrap();
                assert_eq!(again.columns().unwrap(), columns, "{json}");
                let Expected { columns: found, table, .. } = again.expected();
                assert_eq!((found, table.as_ref()), (Some(columns), data.table()), "{json}");
            }
        }
    }

    /// Models from before bytes had a name are read as they were.
    #[test]
    fn a_header_without_a_word_on_bytes_means_levels() {
        let of = |values| {
            let data = Dataset::new(values, 1).unwrap();
            trained(&data, data.columns())
        };
        let bytes = |json: &str| Header::from_json(json).unwrap().expected().bytes;
        let json = of(Values::U8(vec![0, 1])).to_json();
        assert_eq!(bytes(&json), Some(Bytes::Levels));
        assert_eq!(bytes(&json.replace(r#""bytes":"levels","#, "")), Some(Bytes::Levels));
        assert_eq!(
            bytes(&json.replace(r#""bytes":"levels""#, r#""bytes":"bits""#)),
            Some(Bytes::Bits)
        );
        assert_eq!(bytes(&of(Values::F32(vec![0.5, 1.0])).to_json()), None);
        let odd = Header::from_json(&json.replace(r#""bytes":"levels""#, r#""bytes":"nibbles""#))
            .unwrap();
        assert!(odd.training.unwrap().check().is_err());
    }
    /// As models of before hold it, to the byte.
    #[test]
    fn a_training_of_before_is_read_and_written_as_it_was() {
        let training = concat!(
            r#"{"adam_beta1":0.9,"adam_beta2":0.999,"adam_epsilon":1e-8,"average":0.9,"batch_size":32,"#,
            r#""beta":1.0,"clip":5.0,"data":{"binarize":"none","bytes":"levels","embedded":"digits","#,
            r#""fingerprint":"1547f54fa5fd54bf","label":null,"limit":null,"rows":50,"table":null,"#,
            r#""test":0.0,"validation":0.2},"epochs":4,"init":"he","learning_rate":0.01,"#,
            r#""objective":"elbo:free-bits=0.1","patience":null,"samples":2,"#,
            r#""schedule":"step:every=3,factor=0.5","seed":18446744073709551615,"#,
            r#""start_at_mean":false,"warmup":0.5,"weight_decay":0.0}"#
        );
        let read = |text: &str| serde_json::from_str::<TrainingHeader>(text);
        let header = read(training).unwrap();
        // A setting that is new since then has a key more.
        let mut written = serde_json::to_value(&header).unwrap();
        let known: Map<String, Value> = serde_json::from_str(training).unwrap();
        written.as_object_mut().unwrap().retain(|key, _| known.contains_key(key));
        assert_eq!(sorted(written).to_string(), training);
        let TrainingHeader { config, .. } = header;
        assert_eq!((config.learning_rate, config.adam.beta2), (0.01, 0.999));
        assert_eq!((config.clip, config.patience), (Some(5.0), None));
        assert_eq!((config.seed, config.start_at_mean), (u64::MAX, false));
        assert_eq!(config.objective, Spec::new("elbo").with("free-bits", 0.1));

        let wrong =
            |from: &str, to: &str| read(&training.replace(from, to)).unwrap_err().to_string();
        assert_eq!(wrong(r#""epochs":4"#, r#""epochs":-4"#), "epochs: invalid type: expected u32");
        assert_eq!(wrong(r#""epochs":4"#, r#""epoch":4"#), "unknown field `epoch`");
        assert_eq!(wrong(r#""init":"he""#, r#""init":null"#), "init: invalid type: expected text");
        assert!(wrong(r#""data""#, r#""dates""#).contains("missing field `data`"));
    }
}

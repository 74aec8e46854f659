//! Which rows a command works on.

use crate::Common;
use crate::naming::is_there;
use crate::opening::settings_of;
use crate::run::{Run, size, whether};
use clap::{Args, ValueEnum};
use elbo::data::{Binarize, Part, Parts, ReadOptions, Roles, Source};
use elbo::error::{Error, Result};
use elbo::model_file::Model;
use std::cell::OnceCell;
use std::path::Path;

/// The rows that a command on a model works on.
#[derive(Args, Default)]
pub(crate) struct DataArgs {
    /// The data that the model was trained on, or other rows of its width; `-` for standard input [default: the data of the run, read as they were then]
    #[arg(long, short, value_name = "NAME|PATH")]
    data: Option<String>,
    /// Which rows of the training's data [default: those that the command's help says]
    #[arg(long, value_name = "PART")]
    part: Option<PartName>,
    /// The CSV columns that the model learned, where they cannot be found by name
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// Leave these CSV columns out: names, numbers from 1, or ranges such as 2-5
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    drop: Option<Vec<String>>,
    /// Whether a CSV file's first line holds names: auto, yes or no [default: auto]
    #[arg(long, value_name = "WHETHER")]
    header: Option<String>,
    /// What stands between the cells of a CSV file: a character, tab or space [default: found out]
    #[arg(long, value_name = "CHAR")]
    delimiter: Option<String>,
    /// Pass over the lines of a CSV file that begin with this: a character, or none [default: as in training]
    #[arg(long, value_name = "CHAR")]
    comment: Option<String>,
    /// Scale the images of a folder to this size [default: the model's]
    #[arg(long, value_name = "SIZE")]
    resize: Option<String>,
    /// The name of the data that were opened, for messages.
    #[arg(skip)]
    opened: OnceCell<String>,
}

/// The same, where the labels are of use.
#[derive(Args, Default)]
pub(crate) struct LabelledArgs {
    #[command(flatten)]
    rows: DataArgs,
    /// The CSV column that holds labels, if the training knew of none
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
}

impl std::ops::Deref for LabelledArgs {
    type Target = DataArgs;

    fn deref(&self) -> &DataArgs {
        &self.rows
    }
}

impl LabelledArgs {
    /// As [`DataArgs::open`].
    pub(crate) fn open(
        &self,
        path: &Path,
        model: &Model<f32>,
        default: Unsaid,
        common: &Common,
    ) -> Result<Part> {
        self.rows.open_labelled(self.label.as_ref(), path, model, default, common)
    }
}

/// A bad value, with the name of the data that it is in.
pub(crate) fn in_data(error: Error, data: &str) -> Error {
    match error {
        Error::Value { .. } => Error::file(data, error.to_string()),
        e => e,
    }
}

/// The roles that rows had in the training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PartName {
    Train,
    Validation,
    Test,
    All,
}

/// What a command works on if the user does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsaid {
    /// The test rows of the training's data; of other data all rows, or its own test part.
    HeldOut,
    /// The rows that the model was trained on; of other data all rows, or its own training part.
    Training,
    /// All rows of one file; of data with a test part of its own, that.
    Everything,
}

impl DataArgs {
    /// What the data are called in messages.
    pub(crate) fn name(&self) -> &str {
        self.opened.get().map_or("the data", String::as_str)
    }

    /// Whether nobody said which rows, so that the command takes its own.
    pub(crate) fn is_unsaid(&self) -> bool {
        self.data.is_none() && self.part.is_none()
    }

    /// An error with the name of the data, if it is about a value in them.
    pub(crate) fn blame(&self, error: Error) -> Error {
        in_data(error, self.name())
    }

    /// Opens the data and takes the rows. `path` is where the model came from.
    ///
    /// # Errors
    /// If there is no data, it does not fit the model, or it has no such rows.
    pub(crate) fn open(
        &self,
        path: &Path,
        model: &Model<f32>,
        default: Unsaid,
        common: &Common,
    ) -> Result<Part> {
        self.open_labelled(None, path, model, default, common)
    }

    fn open_labelled(
        &self,
        label: Option<&String>,
        path: &Path,
        model: &Model<f32>,
        default: Unsaid,
        common: &Common,
    ) -> Result<Part> {
        let training = model.header.training.as_ref();
        let run = self.remembered(path);
        let name = &self.named(run.as_ref(), model)?[..];
        self.opened.get_or_init(|| name.to_owned());
        let options = ReadOptions {
            expected: Some(model.header.expected()),
            ..self.said_or_remembered(label, run.as_ref())?
        };
        let source = Source::open_with(name, &options).map_err(|e| match self.data {
            None if !is_there(name) => {
                let message = format!(
                    "the model was trained on {name}, which is no longer there: name where it is now"
                );
                Error::setting("--data", message)
            }
            _ => e,
        })?;
        source.notes.iter().for_each(|note| common.remark(Some(note)));
        let (found, width) = (source.train.width(), model.vae.width());
        if found != width {
            let message = format!("rows of {found} values do not fit the model's {width}");
            return Err(Error::file(name, message));
        }
        let roles = match training {
            Some(t) => t.roles()?,
            None => {
                Roles { validation: 0.0, test: 0.0, limit: None, binarize: Binarize::None, seed: 0 }
            }
        };
        let fingerprint = format!("{:016x}", source.train.fingerprint());
        let trained_on = training.is_some_and(|t| t.data.fingerprint == fingerprint);
        let part = self.choose(source, roles, trained_on, default, common);
        let mut part = part.map_err(|e| in_data(e, name))?;
        if let Some(units) = model.header.columns()?.units() {
            part.set_units(&units)?;
        }
        if let Some(conditions) = model.header.conditions()? {
            part.set_conditions(&conditions)?;
        }
        Ok(part)
    }

    /// The settings of the model's run, if they are about the data that are to be read: these were not
    /// named, or the file has its name of then. Of other data they say nothing.
    fn remembered(&self, path: &Path) -> Option<Run> {
        let file = |data: &str| Path::new(data).file_name().map(ToOwned::to_owned);
        let named = self.data.as_deref();
        settings_of(path).filter(|run| named.is_none_or(|data| file(data) == file(&run.task.data)))
    }

    /// The data to open: what the user named, else the run's, else what is embedded.
    fn named(&self, run: Option<&Run>, model: &Model<f32>) -> Result<String> {
        let embedded = model.header.training.as_ref().and_then(|t| t.data.embedded.clone());
        let remembered = run.map(|run| run.task.data.clone());
        match self.data.clone().or(remembered).or(embedded) {
            Some(name) if name == "-" && self.data.is_none() => {
                let message = "the model was trained on standard input; name the data";
                Err(Error::setting("--data", message))
            }
            Some(name) => Ok(name),
            None => Err(Error::setting("--data", "the model was trained on a file; name it")),
        }
    }

    /// How to read the data: as the flags say, and where they are silent as the run read them.
    fn said_or_remembered(&self, label: Option<&String>, run: Option<&Run>) -> Result<ReadOptions> {
        let header = self.header.as_deref().map(|text| whether("header", text)).transpose()?;
        let resize = self.resize.as_deref().map(size).transpose()?;
        let said = ReadOptions {
            label: label.cloned(),
            classes: None,
            columns: self.columns.clone(),
            drop: self.drop.clone(),
            header: header.flatten(),
            delimiter: self.delimiter.clone(),
            comment: self.comment.clone(),
            mixed: false,
            missing: None,
            kinds: None,
            resize,
            expected: None,
        };
        Ok(said.or(run.map(|run| run.task.options()).transpose()?.unwrap_or_default()))
    }

    fn choose(
        &self,
        source: Source,
        roles: Roles,
        trained_on: bool,
        default: Unsaid,
        common: &Common,
    ) -> Result<Part> {
        let own_test = source.test.is_some();
        let choice = match (self.part, default) {
            (Some(PartName::All), _) if own_test => {
                let message = "this data has a test part of its own: choose train or test";
                return Err(Error::setting("--part", message));
            }
            (Some(part), _) if part != PartName::All && !trained_on && !own_test => {
                let message = "these are not the rows of the training, which alone have parts";
                return Err(Error::setting("--part", message));
            }
            (Some(choice), _) => choice,
            (None, Unsaid::HeldOut) => PartName::Test,
            (None, Unsaid::Training) => PartName::Train,
            (None, Unsaid::Everything) if own_test => PartName::Test,
            (None, Unsaid::Everything) => PartName::All,
        };
        let rows = source.train.rows();
        if choice == PartName::All {
            if trained_on && self.part.is_none() {
                common.remark(Some(&format!(
                    "these are all {rows} rows, also those that the model learned from; --part says \
                     otherwise"
                )));
            }
            return Ok(Part::unscreened(source.train, roles.binarize));
        }
        if !trained_on && !own_test {
            let remark =
                "this is not the data of the training as it was then, so all rows are used";
            common.remark(Some(remark));
            return Ok(Part::unscreened(source.train, roles.binarize));
        }
        if !trained_on {
            let remark =
                "this is not the data of the training; its test part may share rows with that";
            common.remark(Some(remark));
        }
        let Parts { train, validation, test } = Parts::new(source, roles)?;
        match (choice, self.part) {
            (PartName::Train, _) => Ok(train),
            (PartName::Validation, _) => validation.ok_or_else(|| {
                Error::setting("--part", "the training set no validation rows aside")
            }),
            (_, Some(_)) => {
                test.ok_or_else(|| Error::setting("--part", "the training set no test rows aside"))
            }
            (_, None) => Ok(match (test, validation) {
                (Some(test), _) => {
                    if trained_on {
                        common.remark(Some(&which(test.rows().len(), rows, own_test)));
                    }
                    test
                }
                (None, Some(validation)) => {
                    common.remark(Some(
                        "the training set no test rows aside: these are its validation rows; --part \
                         all takes every row",
                    ));
                    validation
                }
                (None, None) => {
                    common.remark(Some(
                        "the training set no rows aside: these are the rows it learned from",
                    ));
                    train
                }
            }),
        }
    }
}

/// Which rows of the training's data are taken if nothing is said, and how to get others.
fn which(test: usize, rows: usize, own_test: bool) -> String {
    if own_test {
        format!("these are the data's own {test} test rows; --part train takes the others")
    } else {
        format!(
            "these are the {test} test rows that the training set aside of {rows}; --part all takes \
             every row"
        )
    }
}

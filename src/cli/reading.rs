//! Which rows a command works on.

use crate::Common;
use crate::run::{size, whether};
use clap::{Args, ValueEnum};
use elbo::data::{Binarize, Part, Parts, ReadOptions, Roles, Source};
use elbo::error::{Error, Result};
use elbo::model_file::Model;

/// The rows that a command on a model works on.
#[derive(Args)]
pub(crate) struct DataArgs {
    /// The data that the model was trained on, or other rows of its width; `-` for standard input [default: embedded data]
    #[arg(long, short, value_name = "NAME|PATH")]
    data: Option<String>,
    /// Which rows of the training's data [default: those that the command's help says]
    #[arg(long, value_name = "PART")]
    part: Option<PartName>,
    /// The CSV column that holds labels, if the training knew of none
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// The CSV columns that the model learned, where they cannot be found by name
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// Leave these CSV columns out: names, numbers from 1, or ranges such as 2-5
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    drop: Option<Vec<String>>,
    /// Whether a CSV file's first line holds names: auto, yes or no
    #[arg(long, value_name = "WHETHER", default_value = "auto")]
    header: String,
    /// What stands between the cells of a CSV file: a character, tab or space [default: found out]
    #[arg(long, value_name = "CHAR")]
    delimiter: Option<String>,
    /// Pass over the lines of a CSV file that begin with this: a character, or none [default: as in training]
    #[arg(long, value_name = "CHAR")]
    comment: Option<String>,
    /// Scale the images of a folder to this size [default: the model's]
    #[arg(long, value_name = "SIZE")]
    resize: Option<String>,
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
    /// All rows of one file; of data with a test part of its own, that.
    Everything,
}

impl DataArgs {
    /// An error with the name of the data, if it is about a value in them.
    pub(crate) fn blame(&self, error: Error) -> Error {
        in_data(error, self.data.as_deref().unwrap_or("embedded data"))
    }

    /// Opens the data and takes the rows.
    ///
    /// # Errors
    /// If there is no data, it does not fit the model, or it has no such rows.
    pub(crate) fn open(
        &self,
        model: &Model<f32>,
        default: Unsaid,
        common: &Common,
    ) -> Result<Part> {
        let training = model.header.training.as_ref();
        let embedded = training.and_then(|t| t.data.embedded.as_deref());
        let Some(name) = self.data.as_deref().or(embedded) else {
            return Err(Error::setting("--data", "the model was trained on a file; name it"));
        };
        let options = ReadOptions {
            label: self.label.clone(),
            columns: self.columns.clone(),
            drop: self.drop.clone(),
            header: whether("header", &self.header)?,
            delimiter: self.delimiter.clone(),
            comment: self.comment.clone(),
            resize: self.resize.as_deref().map(size).transpose()?,
            expected: Some(model.header.expected()),
        };
        let source = Source::open_with(name, &options)?;
        source.notes.iter().for_each(|note| common.remark(Some(note)));
        let (found, width) = (source.train.width(), model.vae.config().width);
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
        if let Some(scaler) = model.header.scaler()? {
            part.set_scaler(scaler)?;
        }
        Ok(part)
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
            (None, Unsaid::Everything) if own_test => PartName::Test,
            (None, Unsaid::Everything) => PartName::All,
        };
        if choice == PartName::All {
            return Part::whole(source.train, roles.binarize);
        }
        if !trained_on && !own_test {
            let remark = "these are not the rows of the training, so all of them are used";
            common.remark(Some(remark));
            return Part::whole(source.train, roles.binarize);
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
                (Some(test), _) => test,
                (None, Some(validation)) => {
                    common.remark(Some(
                        "the training set no test rows aside: these are its validation rows",
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

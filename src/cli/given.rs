//! Under which conditions a conditional model generates: of which label, of which classes, with which numbers.

use crate::Common;
use crate::join::Join;
use clap::Args;
use elbo::data::{Condition, Conditions, LABEL, Scale};
use elbo::error::{Error, Result};
use elbo::model_file::Model;
use elbo::rng::{Address, Purpose};
use rand::RngExt;

/// Classes and numbers that are chosen by their columns.
#[derive(Args)]
pub(crate) struct SetArgs {
    /// Of this class, or with this number, in a column that the model is given (train --condition COLUMN, or
    /// --exposure COLUMN); once for each column
    #[arg(long, value_name = "COLUMN=VALUE")]
    set: Vec<String>,
}

/// Classes and numbers that are chosen.
#[derive(Args)]
pub(crate) struct GivenArgs {
    /// Of this label, by a model that is given labels (train --condition label)
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    #[command(flatten)]
    set: SetArgs,
}

/// The conditions of a model, and what of them is chosen.
pub(crate) struct Choices {
    conditions: Conditions,
    /// The value of each condition.
    chosen: Vec<Option<f64>>,
}

/// What some rows are given.
pub(crate) struct Given<'c> {
    conditions: &'c Conditions,
    /// The value of each row and condition.
    values: Vec<f64>,
}

impl GivenArgs {
    /// What is chosen, of a conditional model. A number that no training row comes near is remarked on.
    ///
    /// # Errors
    /// If the model is not given such columns, or has not learned one of the classes.
    pub(crate) fn choices(&self, model: &Model<f32>, common: &Common) -> Result<Option<Choices>> {
        let label = self.label.as_deref().map(|label| Ok(("--label", LABEL, label)));
        choices(model, label.into_iter().chain(self.set.pairs()), common)
    }
}

impl SetArgs {
    /// As [`GivenArgs::choices`].
    pub(crate) fn choices(&self, model: &Model<f32>, common: &Common) -> Result<Option<Choices>> {
        choices(model, self.pairs(), common)
    }

    fn pairs(&self) -> impl Iterator<Item = Result<(&'static str, &str, &str)>> {
        self.set.iter().map(|text| {
            let (column, value) = text.split_once('=').ok_or_else(|| {
                let message = format!("`{text}` is not COLUMN=VALUE, such as colour=red");
                Error::setting("--set", message)
            })?;
            Ok(("--set", column.trim(), value.trim()))
        })
    }
}

/// What is chosen by these flags: their name, a condition and its value.
fn choices<'a>(
    model: &Model<f32>,
    pairs: impl Iterator<Item = Result<(&'static str, &'a str, &'a str)>>,
    common: &Common,
) -> Result<Option<Choices>> {
    let Some(mut choices) = Choices::none(model)? else {
        return match pairs.into_iter().next().transpose()? {
            Some((flag, ..)) => {
                let message = "the model is given nothing: train one with --condition";
                Err(Error::setting(flag, message))
            }
            None => Ok(None),
        };
    };
    for pair in pairs {
        let (flag, name, text) = pair?;
        let blame = |e| match e {
            Error::Setting { message, .. } => Error::setting(flag, message),
            other => other,
        };
        for k in choices.conditions.find(name).map_err(blame)? {
            if choices.chosen[k].is_some() {
                return Err(Error::setting(flag, format!("the {name} is chosen twice")));
            }
            let value = choices.conditions.value(k, text).map_err(blame)?;
            choices.chosen[k] = Some(value);
            common.remark(far_out(&choices.conditions.list()[k], value).as_deref());
        }
    }
    Ok(Some(choices))
}

/// A remark on a number that no training row comes near.
fn far_out(Condition { name, scale }: &Condition, value: f64) -> Option<String> {
    // Counts grow in proportion to their exposure, however large.
    let Scale::Number(n) = scale else { return None };
    (!(n.least..=n.most).contains(&value)).then(|| {
        format!(
            "the {name} of training rows is from {} to {}: what {value} does is a guess",
            n.least, n.most
        )
    })
}

impl Choices {
    /// Nothing chosen, of a conditional model.
    ///
    /// # Errors
    /// If its conditions have no names.
    pub(crate) fn none(model: &Model<f32>) -> Result<Option<Self>> {
        let Some(conditions) = model.header.conditions()? else {
            return match model.vae.condition() {
                0 => Ok(None),
                c => {
                    let message = format!(
                        "the model wants {c} values beside each row, and its file does not say what they \
                         are: use it from a program"
                    );
                    Err(Error::setting("condition", message))
                }
            };
        };
        let chosen = vec![None; conditions.list().len()];
        Ok(Some(Choices { conditions, chosen }))
    }

    /// What the conditions are called.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.conditions.names()
    }

    /// The combinations of training rows that have what is chosen.
    ///
    /// # Errors
    /// If there are none.
    fn seen(&self) -> Result<Vec<(Vec<f64>, u64)>> {
        let list = self.conditions.list();
        // A number that is chosen may be no row's own: it takes the place of theirs.
        let has = |values: &[f64]| {
            let classes = self.chosen.iter().zip(values).zip(list);
            classes
                .filter(|(_, c)| c.scale.levels().is_some())
                .all(|((chosen, value), _)| chosen.is_none_or(|c| c == *value))
        };
        let put = |values: &[f64]| {
            self.chosen.iter().zip(values).map(|(chosen, value)| chosen.unwrap_or(*value)).collect()
        };
        let seen = self.conditions.seen().iter().filter(|c| has(&c.values));
        let seen: Vec<_> = seen.map(|c| (put(&c.values), c.rows)).collect();
        match seen.is_empty() {
            true => Err(Error::setting(
                "--set",
                "no training row has all of these classes: choose one in every column, or fewer",
            )),
            false => Ok(seen),
        }
    }

    /// What `n` new rows are given: what is chosen and, where that leaves something open, combinations at
    /// the training rows' shares.
    ///
    /// # Errors
    /// If no training row had what is chosen.
    pub(crate) fn drawn(&self, n: usize, address: Address) -> Result<Given<'_>> {
        let mut values = Vec::with_capacity(n * self.chosen.len());
        if let Some(all) = self.chosen.iter().copied().collect::<Option<Vec<_>>>() {
            (0..n).for_each(|_| values.extend_from_slice(&all));
            return Ok(Given { conditions: &self.conditions, values });
        }
        let seen = self.seen()?;
        let total = seen.iter().map(|(_, rows)| rows).sum::<u64>();
        for row in 0..n as u64 {
            let mut at = address.row(row).rng().random_range(0..total);
            let found = seen.iter().find(|(_, rows)| {
                let here = at < *rows;
                at = at.saturating_sub(*rows);
                here
            });
            values.extend_from_slice(&found.expect("at is below the sum").0);
        }
        Ok(Given { conditions: &self.conditions, values })
    }

    /// What `n` rows to be looked at are given: the combinations of training rows in turn.
    pub(crate) fn in_turn(&self, n: usize) -> Result<Given<'_>> {
        let seen = self.seen()?;
        let values = (0..n).flat_map(|i| seen[i % seen.len()].0.iter().copied()).collect();
        Ok(Given { conditions: &self.conditions, values })
    }

    /// What the rows of a table are given: what is chosen, and else what stands there.
    ///
    /// # Errors
    /// If it does not stand there, or is a level that the training rows did not have, or no number.
    pub(crate) fn of_table(&self, join: &Join, rows: usize) -> Result<Given<'_>> {
        let list = self.conditions.list();
        let mut values = vec![0.0; rows * list.len()];
        for (k, condition) in list.iter().enumerate() {
            let name = &condition.name;
            let column = join.column(name);
            if column.is_none() && self.chosen[k].is_none() {
                let message = format!(
                    "the model is given the {name}: say which with --set {name}=…, or keep the column \
                     that elbo encode writes"
                );
                return Err(Error::setting("condition", message));
            }
            for row in 0..rows {
                values[row * list.len() + k] = match (self.chosen[k], column) {
                    (Some(chosen), _) => chosen,
                    (None, Some(column)) => self.conditions.value(k, &join.cell(row, column))?,
                    (None, None) => unreachable!("told above"),
                };
            }
        }
        Ok(Given { conditions: &self.conditions, values })
    }

    /// Puts what is chosen into a condition.
    pub(crate) fn put(&self, condition: &mut [f32]) {
        let mut first = 0;
        for (c, chosen) in self.conditions.list().iter().zip(&self.chosen) {
            let block = &mut condition[first..first + c.scale.width()];
            first += block.len();
            if let Some(value) = chosen {
                c.scale.encode(block, *value);
            }
        }
    }
}

/// Where the draws of conditions live: above the topmost latent's.
pub(crate) fn draws(model: &Model<f32>, seed: u64) -> Address {
    Address::new(seed, Purpose::Sample).level(model.vae.levels() + 1)
}

impl Given<'_> {
    /// The conditions of the rows, as the model sees them: `[N·C]`.
    pub(crate) fn encoded(&self) -> Vec<f32> {
        let (k, width) = (self.conditions.list().len(), self.conditions.width());
        let rows = self.values.len() / k;
        let mut encoded = vec![0.0; rows * width];
        for (row, values) in encoded.chunks_exact_mut(width).zip(self.values.chunks_exact(k)) {
            self.conditions.encode(row, values);
        }
        encoded
    }

    /// The classes and numbers of each row, to stand before it in a table.
    pub(crate) fn join(&self) -> Join {
        let (list, names) = (self.conditions.list(), self.conditions.names());
        let columns = names.iter().map(|name| (*name).to_owned()).collect();
        // An exposure that is also a number has the last place, and the other's name.
        let line = |values: &[f64]| {
            let cells = list.iter().zip(values).take(names.len());
            cells.map(|(c, value)| c.scale.text(*value)).collect()
        };
        Join::new(columns, self.values.chunks_exact(list.len()).map(line).collect())
    }
}

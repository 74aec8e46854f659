//! Under which conditions a conditional model generates: of which label, of which classes.

use crate::join::Join;
use clap::Args;
use elbo::data::{Conditions, LABEL};
use elbo::error::{Error, Result};
use elbo::model_file::Model;
use elbo::rng::{Address, Purpose};
use rand::RngExt;

/// Classes that are chosen by their columns.
#[derive(Args)]
pub(crate) struct SetArgs {
    /// Of this class in a column that the model is given (train --condition COLUMN); once for each column
    #[arg(long, value_name = "COLUMN=CLASS")]
    set: Vec<String>,
}

/// Classes that are chosen.
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
    /// The level's place of each condition.
    chosen: Vec<Option<u32>>,
}

/// What some rows are given.
pub(crate) struct Given<'c> {
    conditions: &'c Conditions,
    /// The level's place of each row and condition.
    places: Vec<u32>,
}

impl GivenArgs {
    /// What is chosen, of a conditional model.
    ///
    /// # Errors
    /// If the model is not given such classes, or has not learned one of them.
    pub(crate) fn choices(&self, model: &Model<f32>) -> Result<Option<Choices>> {
        let label = self.label.as_deref().map(|label| Ok(("--label", LABEL, label)));
        choices(model, label.into_iter().chain(self.set.pairs()))
    }
}

impl SetArgs {
    /// As [`GivenArgs::choices`].
    pub(crate) fn choices(&self, model: &Model<f32>) -> Result<Option<Choices>> {
        choices(model, self.pairs())
    }

    fn pairs(&self) -> impl Iterator<Item = Result<(&'static str, &str, &str)>> {
        self.set.iter().map(|text| {
            let (column, class) = text.split_once('=').ok_or_else(|| {
                let message = format!("`{text}` is not COLUMN=CLASS, such as colour=red");
                Error::setting("--set", message)
            })?;
            Ok(("--set", column.trim(), class.trim()))
        })
    }
}

/// What is chosen by these flags: their name, a condition and its level.
fn choices<'a>(
    model: &Model<f32>,
    pairs: impl Iterator<Item = Result<(&'static str, &'a str, &'a str)>>,
) -> Result<Option<Choices>> {
    let Some(mut choices) = Choices::none(model)? else {
        return match pairs.into_iter().next().transpose()? {
            Some((flag, ..)) => {
                let message = "the model is given no classes: train one with --condition";
                Err(Error::setting(flag, message))
            }
            None => Ok(None),
        };
    };
    for pair in pairs {
        let (flag, name, level) = pair?;
        let blame = |e| match e {
            Error::Setting { message, .. } => Error::setting(flag, message),
            other => other,
        };
        let k = choices.conditions.find(name).map_err(blame)?;
        if choices.chosen[k].is_some() {
            return Err(Error::setting(flag, format!("the {name} is chosen twice")));
        }
        choices.chosen[k] = Some(choices.conditions.level(k, level).map_err(blame)?);
    }
    Ok(Some(choices))
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
        self.conditions.list().iter().map(|condition| condition.name.as_str()).collect()
    }

    /// The combinations of training rows that have what is chosen.
    ///
    /// # Errors
    /// If there are none.
    fn seen(&self) -> Result<Vec<(&[u32], u64)>> {
        let fits = |places: &[u32]| {
            self.chosen.iter().zip(places).all(|(chosen, place)| chosen.is_none_or(|c| c == *place))
        };
        let seen = self.conditions.seen().iter().map(|c| (&c.places[..], c.rows));
        let seen: Vec<_> = seen.filter(|(places, _)| fits(places)).collect();
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
        let mut places = Vec::with_capacity(n * self.chosen.len());
        if let Some(all) = self.chosen.iter().copied().collect::<Option<Vec<_>>>() {
            (0..n).for_each(|_| places.extend_from_slice(&all));
            return Ok(Given { conditions: &self.conditions, places });
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
            places.extend_from_slice(found.expect("at is below the sum").0);
        }
        Ok(Given { conditions: &self.conditions, places })
    }

    /// What `n` rows to be looked at are given: the combinations of training rows in turn.
    pub(crate) fn in_turn(&self, n: usize) -> Result<Given<'_>> {
        let seen = self.seen()?;
        let places = (0..n).flat_map(|i| seen[i % seen.len()].0.iter().copied()).collect();
        Ok(Given { conditions: &self.conditions, places })
    }

    /// What the rows of a table are given: what is chosen, and else what stands there.
    ///
    /// # Errors
    /// If it does not stand there, or is a level that the training rows did not have.
    pub(crate) fn of_table(&self, join: &Join, rows: usize) -> Result<Given<'_>> {
        let list = self.conditions.list();
        let mut places = vec![0; rows * list.len()];
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
                places[row * list.len() + k] = match (self.chosen[k], column) {
                    (Some(chosen), _) => chosen,
                    (None, Some(column)) => self.conditions.level(k, &join.cell(row, column))?,
                    (None, None) => unreachable!("told above"),
                };
            }
        }
        Ok(Given { conditions: &self.conditions, places })
    }

    /// Puts what is chosen into a condition.
    pub(crate) fn put(&self, condition: &mut [f32]) {
        let mut first = 0;
        for (c, chosen) in self.conditions.list().iter().zip(&self.chosen) {
            let block = &mut condition[first..first + c.levels.len()];
            first += block.len();
            if let Some(place) = chosen {
                block.fill(0.0);
                block[*place as usize] = 1.0;
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
    pub(crate) fn one_hots(&self) -> Vec<f32> {
        let (k, width) = (self.conditions.list().len(), self.conditions.width());
        let rows = self.places.len() / k;
        let mut values = vec![0.0; rows * width];
        for (values, places) in values.chunks_exact_mut(width).zip(self.places.chunks_exact(k)) {
            self.conditions.one_hot(values, places);
        }
        values
    }

    /// The classes of each row, to stand before it in a table.
    pub(crate) fn join(&self) -> Join {
        let list = self.conditions.list();
        let line = |places: &[u32]| {
            list.iter().zip(places).map(|(c, place)| c.levels[*place as usize].clone()).collect()
        };
        let lines = self.places.chunks_exact(list.len()).map(line);
        Join::new(list.iter().map(|c| c.name.clone()).collect(), lines.collect())
    }
}

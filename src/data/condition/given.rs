//! The conditions of all rows of a dataset.

use super::{Condition, Conditions, labels};
use crate::data::Dataset;
use crate::error::{Error, Result};

/// The value of a row that has none which the condition knows.
const UNSEEN: f64 = f64::NAN;

/// What every row has of every condition.
#[derive(Debug)]
pub(in crate::data) struct Given {
    pub(in crate::data) conditions: Conditions,
    /// The value of each row and condition, or [`UNSEEN`].
    values: Vec<f64>,
}

/// The value of each row of the data, or [`UNSEEN`].
pub(super) fn column(data: &Dataset, condition: &Condition) -> Result<Vec<f64>> {
    let labels = labels(data, &condition.name)?;
    // A text is read once, however many rows have it.
    let of: Vec<f64> = match condition.scale.levels() {
        None => labels.names().iter().map(|t| condition.scale.value(t).unwrap_or(UNSEEN)).collect(),
        Some(levels) => {
            let known: std::collections::BTreeMap<&str, f64> =
                levels.iter().enumerate().map(|(place, l)| (l.as_str(), place as f64)).collect();
            let place = |name: &String| known.get(name.as_str()).copied().unwrap_or(UNSEEN);
            labels.names().iter().map(place).collect()
        }
    };
    Ok((0..data.rows()).map(|row| of[labels.index(row)]).collect())
}

impl Given {
    /// # Errors
    /// If the data have not the columns.
    pub(in crate::data) fn new(data: &Dataset, conditions: &Conditions) -> Result<Self> {
        let k = conditions.list.len();
        let mut values = vec![UNSEEN; data.rows() * k];
        for (at, condition) in conditions.list.iter().enumerate() {
            let column = column(data, condition)?;
            values[at..].iter_mut().step_by(k).zip(column).for_each(|(to, value)| *to = value);
        }
        Ok(Given { conditions: conditions.clone(), values })
    }

    /// The values of a row.
    pub(in crate::data) fn values(&self, row: usize) -> &[f64] {
        let k = self.conditions.list.len();
        &self.values[row * k..(row + 1) * k]
    }

    /// Why a row has no condition, if the training rows did not have its level, or it has no such number.
    pub(in crate::data) fn refusal(&self, data: &Dataset, row: usize) -> Option<Error> {
        let k = self.values(row).iter().position(|value| value.is_nan())?;
        let Condition { name, scale } = &self.conditions.list[k];
        let text = labels(data, name).ok()?.name(row);
        let why = scale.refusal(name, text);
        Some(Error::setting("condition", format!("row {}: {why}", row + 1)))
    }
}

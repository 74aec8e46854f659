//! Which rows a model can have: new data may hold some that it cannot, and these stop no others.

use super::{Binarize, Part};
use crate::distribution::{Distribution, Facts, Support};
use crate::error::{Error, Result};
use crate::real::Real;

/// What is accepted where values become 0 or 1.
pub(super) const NO_ODDS: &str =
    "binarising needs values from 0 to 1; rescale the data or use --binarize none";

/// A row that a model cannot have.
#[derive(Debug)]
pub struct Refused {
    /// Its number in the dataset, from 0.
    pub row: usize,
    /// An [`Error::Value`] of the first value that is why, or what is wrong with its condition.
    pub why: Error,
}

impl Part {
    /// The rows with a value that `p` cannot have as the model sees it, or a class that is not one of the
    /// model's conditions, in order. What
    /// [`Part::support`] would stop at is found in every row.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn screen<T: Real>(&self, p: &dyn Distribution<T>) -> Result<Vec<Refused>> {
        let mut refused = Vec::new();
        // Neighbours are often the same, in images above all.
        let mut good = None;
        let facts = facts(p, self.data.width());
        self.data.for_each_row(&self.rows, &mut |row, values| {
            let given = self.given.as_ref();
            if let Some(why) = given.and_then(|given| given.refusal(&self.data, row)) {
                refused.push(Refused { row, why });
                return Ok(());
            }
            for (column, &value) in values.iter().enumerate() {
                let seen = self.columns[column].apply(value);
                let facts = facts[column];
                if good == Some((facts, seen)) {
                    continue;
                }
                if let Support::Outside(message) = self.verdict::<T>(facts, seen) {
                    let why = self.data.bad_value(row, column, value, message);
                    refused.push(Refused { row, why });
                    break;
                }
                good = Some((facts, seen));
            }
            Ok(())
        })?;
        Ok(refused)
    }

    /// Whether a value in the model's units, that may be binarised yet, can be among these.
    fn verdict<T: Real>(&self, facts: Facts, seen: f64) -> Support {
        match self.binarize {
            Binarize::None => support_in::<T>(facts, seen),
            _ if (0.0..=1.0).contains(&seen) => facts.domain.support(1.0),
            _ => Support::Outside(NO_ODDS),
        }
    }
}

/// What is to be known of each column.
pub(super) fn facts<T: Real>(p: &dyn Distribution<T>, width: usize) -> Vec<Facts> {
    (0..width).map(|column| p.facts(column)).collect()
}

/// Whether a value, or none, can be in such a column, in the model's precision. Every density squares: a value whose square
/// overflows has none, and breaks the sums that it is in.
pub(super) fn support_in<T: Real>(Facts { domain, missing, .. }: Facts, seen: f64) -> Support {
    if missing && seen.is_nan() {
        return Support::Inside;
    }
    let seen_as = T::from_f64(seen);
    match (seen_as * seen_as).is_finite() {
        true => domain.support(seen),
        false => Support::Outside(
            "its square is beyond the model's precision; look for a slip in the cell, or rescale or \
             standardise the data",
        ),
    }
}

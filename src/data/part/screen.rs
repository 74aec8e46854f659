//! Which rows a model can have: new data may hold some that it cannot, and these stop no others.

use super::{Binarize, Part};
use crate::distribution::{Distribution, Support};
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
    /// An [`Error::Value`] of the first value that is why.
    pub why: Error,
}

impl Part {
    /// The rows with a value that `p` cannot have as the model sees it, in order. What
    /// [`Part::support`] would stop at is found in every row.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn screen<T: Real>(&self, p: &dyn Distribution<T>) -> Result<Vec<Refused>> {
        let mut refused = Vec::new();
        // Neighbours are often the same, in images above all.
        let mut good = None;
        self.data.for_each_row(&self.rows, &mut |row, values| {
            for (column, &value) in values.iter().enumerate() {
                let seen = self.columns[column].apply(value);
                if good == Some(seen) {
                    continue;
                }
                if let Support::Outside(message) = self.verdict(p, seen) {
                    let why = self.data.bad_value(row, column, value, message);
                    refused.push(Refused { row, why });
                    break;
                }
                good = Some(seen);
            }
            Ok(())
        })?;
        Ok(refused)
    }

    /// What `p` says of a value in the model's units that may be binarised yet.
    fn verdict<T: Real>(&self, p: &dyn Distribution<T>, seen: f64) -> Support {
        match self.binarize {
            Binarize::None => support_in(p, seen),
            _ if (0.0..=1.0).contains(&seen) => p.support(1.0),
            _ => Support::Outside(NO_ODDS),
        }
    }
}

/// What `p` says of a value, in its precision. Every density squares: a value whose square overflows
/// has none, and breaks the sums that it is in.
pub(super) fn support_in<T: Real>(p: &dyn Distribution<T>, seen: f64) -> Support {
    let seen_as = T::from_f64(seen);
    match (seen_as * seen_as).is_finite() {
        true => p.support(seen),
        false => Support::Outside(
            "its square is beyond the model's precision; look for a slip in the cell, or rescale or \
             standardise the data",
        ),
    }
}

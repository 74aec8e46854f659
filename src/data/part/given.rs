//! What the rows of a part are given, and rows together with it.

use super::{Part, Parts};
use crate::batch::{Batch, BatchBuffer};
use crate::data::condition::Given;
use crate::data::{Conditions, Table, Wanted};
use crate::error::{Error, Result};
use crate::real::Real;
use crate::rng::{Address, Purpose};
use rand::RngExt;
use std::sync::Arc;

impl Parts {
    /// Gives all rows these columns of theirs as conditions ([`Conditions::of`] the training rows).
    ///
    /// # Errors
    /// If the data have no such columns, or a held-out row is of a class that no training row is of, or has no number.
    pub fn set_conditions(&mut self, wanted: &[Wanted]) -> Result<()> {
        let conditions = Conditions::of(&self.train, wanted)?;
        let parts = [Some(&mut self.train), self.validation.as_mut(), self.test.as_mut()];
        for part in parts.into_iter().flatten() {
            part.set_conditions(&conditions)?;
            part.check_conditions()?;
        }
        Ok(())
    }
}

impl Part {
    /// Gives the rows the conditions of a model. Those whose values it does not know are refused by
    /// [`Self::support`] and [`Self::screen`], and must not be read.
    ///
    /// # Errors
    /// If the data have not the columns.
    pub fn set_conditions(&mut self, conditions: &Conditions) -> Result<()> {
        self.given = Some(Arc::new(Given::new(&self.data, conditions)?));
        Ok(())
    }

    /// What the rows are given, if anything.
    pub fn conditions(&self) -> Option<&Conditions> {
        self.given.as_ref().map(|given| &given.conditions)
    }

    /// How many values stand beside a row ([`Conditions::width`]), 0 without conditions.
    pub fn condition_width(&self) -> usize {
        self.conditions().map_or(0, Conditions::width)
    }

    /// Rows of the dataset as [`Self::gather`] reads them, and their conditions, in a buffer.
    ///
    /// # Errors
    /// As [`Self::gather`], and if the buffer has room for conditions of another width.
    ///
    /// # Panics
    /// As [`Self::gather`], and if the buffer has fewer rows, or a row's class is not one of the conditions'.
    pub fn batch<'a, T: Real>(
        &self,
        buffer: &'a mut BatchBuffer<T>,
        rows: &[usize],
        draw: Option<u32>,
    ) -> Result<Batch<'a, T>> {
        self.masked_batch(buffer, rows, draw, 0.0, Address::new(0, Purpose::Mask))
    }

    /// The same, with each cell taken away at this rate: by the generators of the rows at `masks`.
    pub(crate) fn masked_batch<'a, T: Real>(
        &self,
        buffer: &'a mut BatchBuffer<T>,
        rows: &[usize],
        draw: Option<u32>,
        rate: f64,
        masks: Address,
    ) -> Result<Batch<'a, T>> {
        let [wanted, found] = [buffer.condition_width(), self.condition_width()];
        if wanted != found {
            let message =
                format!("the model wants {wanted} values beside each row, the data give {found}");
            return Err(Error::setting("condition", message));
        }
        let (x, condition) = buffer.rows_mut(rows.len());
        self.gather(x, rows, draw)?;
        if rate > 0.0 {
            let cells = self.data.kinds().map(Table::cells_of_values);
            let cells = cells.unwrap_or_else(|| (0..self.data.width()).collect());
            for (x, row) in x.chunks_exact_mut(cells.len()).zip(rows) {
                let mut rng = masks.row(*row as u64).rng();
                let taken: Vec<bool> = cells.iter().map(|_| rng.random::<f64>() < rate).collect();
                x.iter_mut().zip(&cells).filter(|(_, cell)| taken[**cell]).for_each(|(x, _)| {
                    *x = T::from_f64(f64::NAN);
                });
            }
        }
        self.gather_condition(condition, rows);
        Ok(buffer.batch(rows.len()))
    }

    /// `out_b ← the condition of row rows[b]`, `[B·C]`.
    ///
    /// # Panics
    /// If `out` has not one place per row, there is no such row, or its values are not the conditions'.
    pub fn gather_condition<T: Real>(&self, out: &mut [T], rows: &[usize]) {
        let Some(given) = &self.given else { return };
        for (out, row) in out.chunks_exact_mut(given.conditions.width()).zip(rows) {
            given.conditions.encode(out, given.values(*row));
        }
    }

    /// Checks that all rows have their conditions.
    pub(super) fn check_conditions(&self) -> Result<()> {
        let Some(given) = &self.given else { return Ok(()) };
        let mut refused = self.rows.iter().filter_map(|row| given.refusal(&self.data, *row));
        refused.next().map_or(Ok(()), Err)
    }
}

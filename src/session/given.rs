//! What a session's rows are given, of a conditional model.

use super::{Session, view};
use crate::error::{Error, Result};
use crate::real::Real;

impl<T: Real> Session<'_, T> {
    /// Width C of the condition of a row, 0 without one.
    pub fn condition(&self) -> usize {
        self.model.vae.condition()
    }

    /// The condition under which a conditional model does all that follows: `[C]` for all rows, or `[N·C]` for
    /// the N rows of each call. [`Conditions::encode`] makes them. (Rows of a part bring their own.)
    ///
    /// # Errors
    /// If it is not a condition of the model, or not finite.
    ///
    /// [`Conditions::encode`]: crate::data::Conditions::encode
    pub fn set_condition(&mut self, condition: &[T]) -> Result<()> {
        let width = self.condition();
        if width == 0 || condition.is_empty() || !condition.len().is_multiple_of(width) {
            self.model.vae.check_condition(condition.len())?;
        }
        if !condition.iter().all(|c| c.is_finite()) {
            return Err(Error::setting("condition", "it is not finite"));
        }
        self.given.clear();
        self.given.extend_from_slice(condition);
        Ok(())
    }

    /// Whether so many rows have been given a condition each, in a conditional model.
    pub(super) fn check_given(&self, rows: usize) -> Result<()> {
        let (width, found) = (self.condition(), self.given.len());
        match found {
            _ if width == 0 || rows == 0 || found == width || found == rows * width => Ok(()),
            0 => self.model.vae.check_condition(0),
            _ => {
                let message = format!("there are {} conditions for {rows} rows", found / width);
                Err(Error::setting("condition", message))
            }
        }
    }

    /// Brings the conditions of rows that have been given them into the buffer.
    pub(super) fn load_given(&mut self, first: usize, count: usize) {
        let width = self.condition();
        if width == 0 {
            return;
        }
        let to = &mut self.condition[..count * width];
        if self.given.len() == width {
            to.chunks_exact_mut(width).for_each(|c| c.copy_from_slice(&self.given));
        } else {
            to.copy_from_slice(&self.given[first * width..][..count * width]);
        }
        self.ws.set_condition(&view(&self.condition, count, width));
    }
}

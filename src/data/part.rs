//! Which rows are for training, validation and test, and how their values are binarised.

use super::{Dataset, Source};
use crate::distribution::{Distribution, Support};
use crate::error::{Error, Result};
use crate::real::Real;
use crate::rng::{Address, Purpose};
use rand::RngExt;
use rand::seq::SliceRandom;
use std::sync::Arc;

/// How grey values in [0, 1] become 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binarize {
    /// They stay grey.
    None,
    /// 1 above one half.
    Threshold,
    /// A coin with the value as its odds, thrown once.
    Static,
    /// The same for validation and test rows; a fresh coin each time a training row is drawn
    /// (Burda et al. 2016).
    Dynamic,
}

impl Binarize {
    /// Every way there is.
    pub const ALL: [Binarize; 4] =
        [Binarize::None, Binarize::Threshold, Binarize::Static, Binarize::Dynamic];

    /// Its name on the command line and in the model file.
    pub fn name(self) -> &'static str {
        match self {
            Binarize::None => "none",
            Binarize::Threshold => "threshold",
            Binarize::Static => "static",
            Binarize::Dynamic => "dynamic",
        }
    }
}

impl std::str::FromStr for Binarize {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Binarize::ALL.into_iter().find(|b| b.name() == text).ok_or_else(|| {
            let names = Binarize::ALL.map(Binarize::name).join(", ");
            Error::setting("binarize", format!("`{text}` is unknown; known are {names}"))
        })
    }
}

/// How the rows of a [`Source`] are divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Roles {
    /// Share of the training rows that is set aside for validation, in [0, 1).
    pub validation: f64,
    /// Share of the rows that becomes the test part where the data has none of its own, in [0, 1).
    pub test: f64,
    /// At most so many training rows are used, the first ones.
    pub limit: Option<usize>,
    /// How values are binarised.
    pub binarize: Binarize,
    /// Seed of the division and of the training rows' coins.
    pub seed: u64,
}

impl Roles {
    /// Checks the ranges.
    ///
    /// # Errors
    /// Names the setting that is out of range.
    pub fn check(&self) -> Result<()> {
        for (name, share) in [("validation", self.validation), ("test", self.test)] {
            if !(0.0..1.0).contains(&share) {
                return Err(Error::setting(
                    name,
                    format!("a fraction of {share} is not in [0, 1)"),
                ));
            }
        }
        match self.limit {
            Some(0) => Err(Error::setting("limit", "must be at least 1 row")),
            _ => Ok(()),
        }
    }
}

/// Some rows of a dataset, in one role.
#[derive(Clone)]
pub struct Part {
    data: Arc<Dataset>,
    rows: Vec<usize>,
    binarize: Binarize,
    coins: Address,
}

/// The rows of a source in their roles.
pub struct Parts {
    /// Rows to learn from.
    pub train: Part,
    /// Rows that decide when to stop and which weights are best.
    pub validation: Option<Part>,
    /// Rows that only judge.
    pub test: Option<Part>,
}

/// Validation and test rows are binarised by this seed whatever the run's own, so that every run is
/// judged on the same images.
const HELD_OUT_SEED: u64 = 0;

impl Parts {
    /// Divides `source`.
    ///
    /// # Errors
    /// If a share is out of range, no training row is left, or a value to be binarised is outside
    /// [0, 1].
    pub fn new(source: Source, roles: Roles) -> Result<Self> {
        roles.check()?;
        let (train, own_test) = (Arc::new(source.train), source.test.map(Arc::new));
        let mut rows: Vec<usize> = (0..train.rows()).collect();
        // Own rows for a role are drawn at random: files are often sorted.
        let mut set_aside = |share: f64, level: usize| -> Vec<usize> {
            let count = (share * rows.len() as f64).round() as usize;
            rows.shuffle(&mut Address::new(roles.seed, Purpose::Split).level(level).rng());
            let mut aside = rows.split_off(rows.len() - count);
            aside.sort_unstable();
            rows.sort_unstable();
            aside
        };
        let test_rows = if own_test.is_none() { set_aside(roles.test, 0) } else { Vec::new() };
        let validation_rows = set_aside(roles.validation, 1);
        rows.truncate(roles.limit.unwrap_or(usize::MAX));
        if rows.is_empty() {
            return Err(Error::setting("validation", "no row is left for training"));
        }
        let part = |data: &Arc<Dataset>, rows: Vec<usize>, coins| {
            let part = Part { data: data.clone(), rows, binarize: roles.binarize, coins };
            part.check_range().map(|()| part)
        };
        let held_out = |data: &Arc<Dataset>, rows: Vec<usize>, coins| match rows.is_empty() {
            true => Ok(None),
            false => part(data, rows, coins).map(Some),
        };
        // Rows of another file have coins of their own: their numbers are the same, they are not.
        let coins = Address::new(HELD_OUT_SEED, Purpose::BinarizeHeldOut);
        Ok(Parts {
            test: match &own_test {
                Some(test) => held_out(test, (0..test.rows()).collect(), coins.level(1))?,
                None => held_out(&train, test_rows, coins)?,
            },
            validation: held_out(&train, validation_rows, coins)?,
            train: part(&train, rows, Address::new(roles.seed, Purpose::BinarizeTrain))?,
        })
    }
}

impl Part {
    /// The dataset rows of this part.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Keeps the first `rows` rows.
    pub fn truncate(&mut self, rows: usize) {
        self.rows.truncate(rows);
    }

    /// The dataset that they are rows of.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// `out_b ← row rows[b] of the dataset`, binarised; `out: [B·D]`. `draw` numbers the times that a
    /// training row is drawn (its epoch) and matters to dynamic binarisation only.
    ///
    /// # Panics
    /// If `out` has not one place per row, or there is no such row.
    pub fn gather<T: Real>(&self, out: &mut [T], rows: &[usize], draw: u32) {
        let width = self.data.width();
        assert_eq!(
            out.len(),
            rows.len() * width,
            "gather: the output has another size than the rows"
        );
        let cost =
            if matches!(self.binarize, Binarize::Static | Binarize::Dynamic) { 8 } else { 1 };
        let out = crate::parallel::RowsMut::new(out, width);
        crate::parallel::rows(out, rows.len(), cost * width, &|first, count, mut out| {
            (0..count).for_each(|i| self.read(out.row(i), rows[first + i], draw));
        });
    }

    /// One row, binarised.
    fn read<T: Real>(&self, out: &mut [T], row: usize, draw: u32) {
        self.data.read(out, row);
        let bit = |heads: bool| if heads { T::one() } else { T::zero() };
        match self.binarize {
            Binarize::None => {}
            Binarize::Threshold => out.iter_mut().for_each(|x| *x = bit(*x > T::from_f64(0.5))),
            Binarize::Static | Binarize::Dynamic => {
                let fresh = self.binarize == Binarize::Dynamic
                    && self.coins.purpose == Purpose::BinarizeTrain;
                // Draw 0 is the one throw of the static coins; epochs count from there.
                let epoch = if fresh { draw + 1 } else { 0 };
                let mut rng = self.coins.epoch(epoch).row(row as u64).rng();
                // u is in [0, 1): a white pixel is always 1, a black one never.
                out.iter_mut().for_each(|x| *x = bit(T::from_f64(rng.random::<f32>() as f64) < *x));
            }
        }
    }

    /// The mean of each column of this part, `[D]`: of its thresholded or grey values, the latter being
    /// the mean of the coins too.
    pub fn column_means(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.data.width()];
        let mut row = vec![0f64; sums.len()];
        for &r in &self.rows {
            match self.binarize {
                Binarize::Threshold => self.read(&mut row, r, 0),
                _ => self.data.read(&mut row, r),
            }
            sums.iter_mut().zip(&row).for_each(|(s, v)| *s += v);
        }
        sums.iter_mut().for_each(|s| *s /= self.rows.len() as f64);
        sums
    }

    /// Whether `p` can have this part's values after binarisation.
    ///
    /// # Errors
    /// As [`Dataset::support`].
    pub fn support<T: Real>(&self, p: &dyn Distribution<T>) -> Result<Support> {
        if self.binarize == Binarize::None { self.data.support(p) } else { Ok(p.support(1.0)) }
    }

    /// Coins and thresholds need values in [0, 1].
    fn check_range(&self) -> Result<()> {
        if self.binarize == Binarize::None {
            return Ok(());
        }
        let mut values = vec![0f64; self.data.width()];
        for &row in &self.rows {
            self.data.read(&mut values, row);
            if let Some(column) = values.iter().position(|v| !(0.0..=1.0).contains(v)) {
                let message =
                    "binarising needs values from 0 to 1; rescale the data or use --binarize none";
                return Err(Error::Value {
                    row,
                    column,
                    value: values[column],
                    message: message.to_owned(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Values;
    use super::*;

    fn source(rows: usize) -> Source {
        let values = Values::U8((0..rows * 4).map(|i| (i % 256) as u8).collect());
        Source { train: Dataset::new(values, 4).unwrap(), test: None, note: None }
    }

    fn roles(binarize: Binarize) -> Roles {
        Roles { validation: 0.2, test: 0.1, limit: None, binarize, seed: 7 }
    }

    #[test]
    fn roles_are_disjoint_and_cover_everything() {
        let parts = Parts::new(source(100), roles(Binarize::None)).unwrap();
        let (validation, test) = (parts.validation.unwrap(), parts.test.unwrap());
        assert_eq!(
            (parts.train.rows().len(), validation.rows().len(), test.rows().len()),
            (72, 18, 10)
        );
        let mut all = [parts.train.rows(), validation.rows(), test.rows()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn coins_are_thrown_once_or_every_time() {
        let throw = |binarize, draw| {
            let part = Parts::new(source(100), roles(binarize)).unwrap().train;
            let mut out = vec![0f32; part.rows().len() * 4];
            part.gather(&mut out, part.rows(), draw);
            assert!(out.iter().all(|x| *x == 0.0 || *x == 1.0));
            out
        };
        assert_eq!(throw(Binarize::Static, 0), throw(Binarize::Static, 1));
        assert_ne!(throw(Binarize::Dynamic, 0), throw(Binarize::Dynamic, 1));
        assert_eq!(throw(Binarize::Dynamic, 1), throw(Binarize::Dynamic, 1));
    }

    #[test]
    fn dynamic_coins_have_the_right_odds() {
        let part = Parts::new(
            source(64),
            Roles { validation: 0.0, test: 0.0, ..roles(Binarize::Dynamic) },
        )
        .unwrap()
        .train;
        let (draws, mut heads) = (2000, 0.0);
        let mut out = [0f64; 4];
        for draw in 0..draws {
            part.gather(&mut out, &[16], draw); // pixels 64 … 67 of 255
            heads += out[0];
        }
        let p = 64.0 / 255.0;
        let se = (p * (1.0 - p) / draws as f64).sqrt();
        assert!((heads / draws as f64 - p).abs() < 4.0 * se);
    }

    #[test]
    fn held_out_coins_do_not_depend_on_epoch_or_seed() {
        let throw = |seed, draw| {
            let mut source = source(50);
            source.test = Some(source.train.clone());
            let part = Parts::new(source, Roles { seed, ..roles(Binarize::Dynamic) })
                .unwrap()
                .test
                .unwrap();
            let mut out = vec![0f32; 200];
            part.gather(&mut out, part.rows(), draw);
            out
        };
        assert_eq!(throw(1, 0), throw(2, 5));
    }

    #[test]
    fn values_outside_the_unit_interval_cannot_be_binarised() {
        let values = Values::F32(vec![0.0, 0.5, 1.0, 1.5]);
        let source = Source { train: Dataset::new(values, 2).unwrap(), test: None, note: None };
        let error =
            Parts::new(source, Roles { validation: 0.0, test: 0.0, ..roles(Binarize::Threshold) })
                .err()
                .unwrap();
        assert!(matches!(error, Error::Value { row: 1, column: 1, .. }), "{error}");
    }
}

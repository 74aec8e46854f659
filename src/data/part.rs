//! Which rows are for training, validation and test, and how their values are binarised.

mod given;
mod roles;
mod screen;

pub use roles::{Binarize, Roles};
pub use screen::Refused;

use super::condition::Given;
use super::{Columns, Dataset, Quantiles, Source, Statistics, Unit};
use crate::distribution::{Distribution, Moments, Support};
use crate::error::{Error, Result};
use crate::fit::GaussianMixture;
use crate::real::Real;
use crate::rng::{Address, Purpose, number_of};
use ndarray::Array2;
use rand::RngExt;
use rand::seq::SliceRandom;
use std::sync::{Arc, Mutex, OnceLock};

/// Some rows of a dataset, in one role.
#[derive(Clone)]
pub struct Part {
    data: Arc<Dataset>,
    rows: Vec<usize>,
    binarize: Binarize,
    coins: Address,
    /// The columns, in the units in which the model sees them.
    columns: Arc<Columns>,
    /// What its rows are given, of a conditional model.
    given: Option<Arc<Given>>,
    /// What [`Part::statistics`] found; the data may be larger than memory.
    statistics: OnceLock<Arc<Statistics>>,
}

/// A value that is most of its column's variance alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoneCell {
    /// The dataset's row, from 0.
    pub row: usize,
    /// The column, from 0.
    pub column: usize,
    /// Its value, in the column's own unit.
    pub value: f64,
    /// How many standard deviations it lies from the mean.
    pub spreads: f64,
    /// By what share the column's variance falls without it.
    pub share: f64,
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

/// Their coins.
fn held_out_coins() -> Address {
    Address::new(HELD_OUT_SEED, Purpose::BinarizeHeldOut)
}

impl Parts {
    /// Divides `source`.
    ///
    /// # Errors
    /// If a share is out of range, no training row is left, or a value to be binarised is outside
    /// [0, 1], or binarising leaves one and the same value everywhere in the training rows.
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
            Part::new(data.clone(), rows, roles.binarize, coins)
        };
        let held_out = |data: &Arc<Dataset>, rows: Vec<usize>| match rows.is_empty() {
            true => Ok(None),
            false => part(data, rows, held_out_coins()).map(Some),
        };
        let parts = Parts {
            test: match &own_test {
                Some(test) => held_out(test, (0..test.rows()).collect())?,
                None => held_out(&train, test_rows)?,
            },
            validation: held_out(&train, validation_rows)?,
            train: part(&train, rows, Address::new(roles.seed, Purpose::BinarizeTrain))?,
        };
        parts.train.check_bits().map(|()| parts)
    }
}

impl Parts {
    /// Gives the model standardised columns: units of the training rows' spread around their mean.
    ///
    /// # Errors
    /// If the values are binarised, a file cannot be read, or a column has no finite spread.
    pub fn standardize(&mut self) -> Result<()> {
        let units = self.train.statistics()?.units()?;
        self.set_units(&units)
    }

    /// Gives the model the columns of a table of several kinds in the units that fit these. Numbers with a density are seen by
    /// the quantiles of the training rows where, alone, that describes the validation rows better than a mixture of
    /// normals in units of their spread.
    ///
    /// # Errors
    /// As [`Self::standardize`].
    ///
    /// # Panics
    /// If the data are no such table.
    pub fn set_kinds(&mut self) -> Result<()> {
        self.find_quantiles()?;
        let kinds = self.train.data().kinds().expect("a table of several kinds");
        let units = kinds.units(&*self.train.statistics()?)?;
        self.set_units(&units)
    }

    fn find_quantiles(&mut self) -> Result<()> {
        /// Numbers of each part that are looked at, and held-out ones that are too few to say anything.
        const LOOKED_AT: usize = 20_000;
        const FEWEST: usize = 50;
        const COMPONENTS: usize = 5;
        let Some(validation) = &self.validation else { return Ok(()) };
        let kinds = self.train.data().kinds().expect("a table of several kinds");
        let mut table = kinds.clone();
        for [place, j] in kinds.densities() {
            let [train, held_out] = [&self.train, validation].map(|p| p.numbers(place, LOOKED_AT));
            let (train, held_out) = (train?, held_out?);
            let Some(map) = Quantiles::fit(&train).filter(|_| held_out.len() >= FEWEST) else {
                continue;
            };
            let n = train.len() as f64;
            let mean = train.iter().sum::<f64>() / n;
            let spread = (train.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
            let in_spreads = |numbers: &[f64]| {
                let u = numbers.iter().map(|x| (x - mean) / spread).collect();
                Array2::from_shape_vec((numbers.len(), 1), u).expect("a column")
            };
            let of_normals = GaussianMixture::fit(&in_spreads(&train).view(), COMPONENTS, 0)?;
            let by_spread =
                of_normals.mean_log_density(&in_spreads(&held_out).view()) - spread.ln();
            if map.mean_log_density(&held_out) > by_spread {
                table = table.with_quantiles(j, map);
            }
        }
        if table == *kinds {
            return Ok(());
        }
        let seen = Arc::new(self.train.data.seen_as(table.clone())?);
        let before = self.train.data.clone();
        let parts = [Some(&mut self.train), self.validation.as_mut(), self.test.as_mut()];
        for part in parts.into_iter().flatten() {
            let data = match Arc::ptr_eq(&part.data, &before) {
                true => seen.clone(),
                false => Arc::new(part.data.seen_as(table.clone())?),
            };
            (part.columns, part.data, part.statistics) =
                (data.shared_columns(), data, OnceLock::new());
        }
        Ok(())
    }

    /// Gives the model columns in these units, those it was trained in.
    ///
    /// # Errors
    /// As [`Part::set_units`].
    pub fn set_units(&mut self, units: &[Unit]) -> Result<()> {
        let parts = [Some(&mut self.train), self.validation.as_mut(), self.test.as_mut()];
        parts.into_iter().flatten().try_for_each(|part| part.set_units(units))
    }
}

impl Part {
    fn new(
        data: Arc<Dataset>,
        rows: Vec<usize>,
        binarize: Binarize,
        coins: Address,
    ) -> Result<Self> {
        let part = Part::unchecked(data, rows, binarize, coins);
        part.check_range().map(|()| part)
    }

    fn unchecked(data: Arc<Dataset>, rows: Vec<usize>, binarize: Binarize, coins: Address) -> Self {
        let columns = data.shared_columns();
        Part { data, rows, binarize, coins, columns, given: None, statistics: OnceLock::new() }
    }

    /// All rows of data that plays no role in a training, binarised as held-out rows are.
    ///
    /// # Errors
    /// If a value to be binarised is outside [0, 1].
    pub fn whole(data: Dataset, binarize: Binarize) -> Result<Self> {
        let part = Part::unscreened(data, binarize);
        part.check_range().map(|()| part)
    }

    /// The same, whatever the values are: [`Self::screen`] tells which rows a model can have.
    pub fn unscreened(data: Dataset, binarize: Binarize) -> Self {
        let rows = (0..data.rows()).collect();
        Part::unchecked(Arc::new(data), rows, binarize, held_out_coins())
    }

    /// The dataset rows of this part.
    pub fn rows(&self) -> &[usize] {
        &self.rows
    }

    /// Values of a column that are not missing, in their own units: evenly so many at most.
    fn numbers(&self, column: usize, most: usize) -> Result<Vec<f64>> {
        let mut row = vec![0.0f64; self.data.width()];
        let mut numbers = Vec::new();
        for place in self.rows.iter().step_by(self.rows.len().div_ceil(most).max(1)) {
            self.data.read(&mut row, *place, None)?;
            numbers.extend(Some(row[column]).filter(|v| !v.is_nan()));
        }
        Ok(numbers)
    }

    /// Whether these are rows to learn from.
    pub fn is_of_training(&self) -> bool {
        self.coins.purpose == Purpose::BinarizeTrain
    }

    /// Keeps the first `rows` rows.
    pub fn truncate(&mut self, rows: usize) {
        self.rows.truncate(rows);
        self.statistics = OnceLock::new();
    }

    /// Keeps the rows for which `keep` is true of their number in the dataset.
    pub fn retain(&mut self, mut keep: impl FnMut(usize) -> bool) {
        self.rows.retain(|row| keep(*row));
        self.statistics = OnceLock::new();
    }

    /// The dataset that they are rows of.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// The columns, in the units in which the model sees them.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Gives the model columns in these units, those it was trained in.
    ///
    /// # Errors
    /// If the values are binarised, or there are more or fewer units than columns.
    pub fn set_units(&mut self, units: &[Unit]) -> Result<()> {
        if self.binarize != Binarize::None {
            let message = "values that are binarised have no spread to standardise";
            return Err(Error::setting("standardize", message));
        }
        self.columns = Arc::new(self.data.columns().clone().with_units(units)?);
        Ok(())
    }

    /// Binarises the rows by coins of this seed, thrown once, in place of those by which every run is judged.
    ///
    /// # Errors
    /// If no coins are thrown for them.
    pub fn throw_coins(&mut self, seed: u64) -> Result<()> {
        if !matches!(self.binarize, Binarize::Static | Binarize::Dynamic) {
            let message = "no coins are thrown for these rows: they are not binarised so";
            return Err(Error::setting("coins", message));
        }
        self.coins = Address::new(seed, Purpose::BinarizeHeldOut);
        self.statistics = OnceLock::new();
        Ok(())
    }

    /// `out_b ← row rows[b] of the dataset`, scaled and binarised; `out: [B·D]`. `draw` numbers the
    /// times that a row is drawn to train on (its epoch), which matters to dynamic binarisation only;
    /// `None` is for rows to judge or to use. Coins that are thrown once depend on what the row holds, not
    /// on where it stands.
    ///
    /// # Errors
    /// If the rows lie in a file that cannot be read any more.
    ///
    /// # Panics
    /// If `out` has not one place per row, or there is no such row.
    pub fn gather<T: Real>(&self, out: &mut [T], rows: &[usize], draw: Option<u32>) -> Result<()> {
        let width = self.data.width();
        assert_eq!(
            out.len(),
            rows.len() * width,
            "gather: the output has another size than the rows"
        );
        // In additions; rows that lie anywhere come slowly from memory.
        let cost =
            if matches!(self.binarize, Binarize::Static | Binarize::Dynamic) { 16 } else { 4 };
        let out = crate::parallel::RowsMut::new(out, width);
        let failure = Mutex::new(None);
        crate::parallel::rows(out, rows.len(), cost * width, &|first, count, mut out| {
            for i in 0..count {
                if let Err(e) = self.read(out.row(i), rows[first + i], draw) {
                    failure.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(e);
                    return;
                }
            }
        });
        failure.into_inner().unwrap_or_else(|e| e.into_inner()).map_or(Ok(()), Err)
    }

    /// One row, scaled and binarised.
    fn read<T: Real>(&self, out: &mut [T], row: usize, draw: Option<u32>) -> Result<()> {
        self.data.read(out, row, Some(&self.columns))?;
        let bit = |heads: bool| if heads { T::one() } else { T::zero() };
        match self.binarize {
            Binarize::None => {}
            Binarize::Threshold => out.iter_mut().for_each(|x| *x = bit(*x > T::from_f64(0.5))),
            Binarize::Static | Binarize::Dynamic => {
                let fresh = self.binarize == Binarize::Dynamic
                    && self.coins.purpose == Purpose::BinarizeTrain;
                // Epoch 0 is the one throw of the static coins; draws count from there.
                let coins = match draw.filter(|_| fresh) {
                    Some(draw) => self.coins.epoch(draw + 1).row(row as u64),
                    None => self.coins.row(number_of(out)),
                };
                let mut rng = coins.rng();
                // u is in [0, 1): a white pixel is always 1, a black one never.
                out.iter_mut().for_each(|x| *x = bit(T::from_f64(rng.random::<f32>() as f64) < *x));
            }
        }
        Ok(())
    }

    /// Means and spreads of this part's columns in their own units: of the thresholded values, or of
    /// the grey ones, whose mean is that of the coins too. Found once.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn statistics(&self) -> Result<Arc<Statistics>> {
        if let Some(statistics) = self.statistics.get() {
            return Ok(statistics.clone());
        }
        let mut statistics = Statistics::new(self.data.width());
        let mut bits = vec![0.0; self.data.width()];
        self.data.for_each_row(&self.rows, &mut |_, values| {
            if self.binarize == Binarize::Threshold {
                bits.iter_mut().zip(values).for_each(|(b, v)| *b = f64::from(u8::from(*v > 0.5)));
                statistics.add(&bits);
            } else {
                statistics.add(values);
            }
            Ok(())
        })?;
        Ok(self.statistics.get_or_init(|| Arc::new(statistics)).clone())
    }

    /// Mean and variance of each column as the model sees it.
    ///
    /// # Errors
    /// As [`Self::statistics`].
    pub fn moments(&self) -> Result<Moments> {
        let statistics = self.statistics()?;
        let (mut mean, mut variance) = (statistics.means(), statistics.variances());
        for (j, column) in self.columns.iter().enumerate() {
            mean[j] = column.apply(mean[j]);
            let scale = column.unit.map_or(1.0, |unit| unit.scale());
            variance[j] = variance[j] / scale / scale;
        }
        Ok(Moments { mean, variance })
    }

    /// The cells without which their columns' variance would be less than half, in the columns' order.
    ///
    /// # Errors
    /// As [`Self::statistics`].
    pub fn lone_cells(&self) -> Result<Vec<LoneCell>> {
        let mut cells = self.statistics()?.lone_cells();
        if cells.is_empty() {
            return Ok(cells);
        }
        self.data.for_each_row(&self.rows, &mut |row, values| {
            cells.iter_mut().filter(|c| values[c.column] == c.value).for_each(|c| c.row = row);
            Ok(())
        })?;
        Ok(cells)
    }

    /// Whether `p` can have this part's values as the model sees them.
    ///
    /// # Errors
    /// [`Error::Value`] at the first value that it cannot train on; if a row's class is not one of its
    /// [conditions](Self::set_conditions); and if a file cannot be read.
    pub fn support<T: Real>(&self, p: &dyn Distribution<T>) -> Result<Support> {
        self.check_conditions()?;
        if self.binarize != Binarize::None {
            let facts = screen::facts(p, self.data.width()).into_iter();
            let mut of_ones = facts.map(|facts| facts.domain.support(1.0));
            return Ok(of_ones.find(|s| *s != Support::Inside).unwrap_or(Support::Inside));
        }
        let facts = screen::facts(p, self.data.width());
        let mut verdict = Support::Inside;
        // Neighbours are often the same, in images above all; asking again would say the same.
        let mut last = None;
        self.data.for_each_row(&self.rows, &mut |row, values| {
            for (column, &value) in values.iter().enumerate() {
                let seen = self.columns[column].apply(value);
                let facts = facts[column];
                if last == Some((facts, seen)) {
                    continue;
                }
                last = Some((facts, seen));
                match screen::support_in::<T>(facts, seen) {
                    Support::Outside(message) => {
                        return Err(self.data.bad_value(row, column, value, message));
                    }
                    Support::Inside => {}
                    grey => verdict = grey,
                }
            }
            Ok(())
        })?;
        Ok(verdict)
    }

    /// Whether binarising can leave both 0 and 1, which it does long before the last row of most data.
    /// A held-out row, or one of other data, may well be all black.
    fn check_bits(&self) -> Result<()> {
        // A coin whose odds are 0 or 1 is no coin.
        let odds = match self.binarize {
            Binarize::None => return Ok(()),
            Binarize::Threshold => |v: f64| f64::from(v > 0.5),
            Binarize::Static | Binarize::Dynamic => |v| v,
        };
        let (mut least, mut largest) = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut zero, mut one) = (false, false);
        let mut values = vec![0f64; self.data.width()];
        for row in &self.rows {
            self.data.read(&mut values, *row, None)?;
            for &v in &values {
                (least, largest) = (least.min(v), largest.max(v));
                (zero, one) = (zero || odds(v) < 1.0, one || odds(v) > 0.0);
            }
            if zero && one {
                return Ok(());
            }
        }
        let (how, only) = (self.binarize.name(), u8::from(one));
        let message = format!(
            "`{how}` makes every value of the training rows {only}, for they are {least:.3} … \
             {largest:.3}: rescale the data to 0 … 1, or use --binarize none"
        );
        Err(Error::setting("binarize", message))
    }

    /// Coins and thresholds need values in [0, 1].
    fn check_range(&self) -> Result<()> {
        if self.binarize == Binarize::None || self.data.values().are_bytes() {
            return Ok(());
        }
        self.data.for_each_row(&self.rows, &mut |row, values| match values
            .iter()
            .position(|v| !(0.0..=1.0).contains(v))
        {
            None => Ok(()),
            Some(column) => Err(self.data.bad_value(row, column, values[column], screen::NO_ODDS)),
        })
    }
}

#[cfg(test)]
mod tests;

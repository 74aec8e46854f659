//! Using a model from a program: rows in, rows out, in the data's own units.
//!
//! A [`Session`] is a model with the buffers to run it. What a caller can do wrong, it answers with an
//! error; what it is asked again and again, it does without allocating (`tests/allocation.rs`). The
//! mathematics is [`crate::vae`]'s. A conditional model does it under the condition that it was told last
//! ([`Session::set_condition`]).
//!
//! ```
//! # use elbo::{model_file::{Header, Model}, params::Init, vae::{Vae, VaeConfig}};
//! # fn main() -> elbo::Result<()> {
//! # let config = VaeConfig::new(3, &[4], 2);
//! # let vae = Vae::<f32>::new(config.clone())?;
//! # let model = Model { params: vae.init(Init::Uniform, 1, None), header: Header::new(&config, None), vae: vae.into() };
//! // let model = Model::<f32>::open("runs/digits/model.safetensors")?;
//! let mut session = model.session(1)?; // one row at a time
//! let (mut z, mut again) = ([0.0; 2], [0.0f32; 3]);
//! session.encode(&mut z, &[1.0, 0.0, 0.5])?;
//! session.decode(&mut again, &z)?;
//! # Ok(())
//! # }
//! ```

mod given;

use crate::data::{Columns, Part, Volume};
use crate::distribution::{Distribution, Support};
use crate::error::{Error, Result};
use crate::evaluate::{DRAWS, Evaluator};
use crate::model_file::Model;
use crate::parallel;
use crate::real::Real;
use crate::vae::{Pass, Sampling, Score, Workspace};
use ndarray::{ArrayView2, ArrayViewMut2};

/// A model, and the buffers to run it on some rows at a time.
///
/// Rows are flat slices, one after the other: `x: [N·D]`, `z: [N·Z]`. N may be larger than the session's
/// rows; the work is then done in several passes. Data may be of any precision `S`: they are brought
/// into the model's units, and back, in f64.
pub struct Session<'m, T> {
    model: &'m Model<T>,
    /// In the units in which the model sees them.
    columns: Columns,
    volume: Volume,
    ws: Workspace<T>,
    /// Rows of data and of latents in the model's units.
    x: Vec<T>,
    z: Vec<T>,
    /// What rows are given: one condition for all, or one for each; nothing until it is said.
    given: Vec<T>,
    /// The conditions of the rows in the buffers, `[rows·C]`.
    condition: Vec<T>,
    /// What rows are scored with; made when the first are.
    evaluator: Option<Evaluator<T>>,
}

impl<T: Real> Model<T> {
    /// Buffers to run the model on `rows` rows at a time.
    ///
    /// # Errors
    /// If `rows` is 0, the machine has not the memory, or structure, weights and header do not belong
    /// together.
    pub fn session(&self, rows: usize) -> Result<Session<'_, T>> {
        let (width, latent) = (self.vae.width(), self.vae.latent());
        self.header.check_rows(width)?;
        let (found, wanted) = (self.params.len(), self.vae.layout().len());
        if found != wanted {
            let message = format!(
                "{found} values are not a buffer of this structure's layout, which has {wanted}"
            );
            return Err(Error::setting("params", message));
        }
        let columns = self.header.columns()?;
        Ok(Session {
            model: self,
            volume: columns.volume(),
            columns,
            ws: Workspace::new(&self.vae, rows, 1, Pass::Value)?,
            x: vec![T::zero(); rows * width],
            z: vec![T::zero(); rows * latent],
            given: Vec::new(),
            condition: vec![T::zero(); rows * self.vae.condition()],
            evaluator: None,
        })
    }
}

impl<T: Real> Session<'_, T> {
    /// Width D of a row of data.
    pub fn width(&self) -> usize {
        self.model.vae.width()
    }

    /// Width Z of the topmost latent.
    pub fn latent(&self) -> usize {
        self.model.vae.latent()
    }

    /// `z ← the posterior mean of each row`.
    ///
    /// # Errors
    /// If the slices are not the same number of rows, a value is not finite or not one that the
    /// likelihood can have, or a conditional model was not told the rows' condition.
    pub fn encode<S: Real>(&mut self, z: &mut [T], x: &[S]) -> Result<()> {
        self.encode_with_std(z, &mut [], x)
    }

    /// The same, with `std ← the posterior's standard deviations`, `[N·Z]`, unless it is empty.
    ///
    /// # Errors
    /// As [`Self::encode`], and if they are not known ([`Vae::has_posterior_std`]).
    ///
    /// [`Vae::has_posterior_std`]: crate::vae::Vae::has_posterior_std
    pub fn encode_with_std<S: Real>(&mut self, z: &mut [T], std: &mut [T], x: &[S]) -> Result<()> {
        let rows = whole_rows("x", x.len(), self.width())?;
        same_rows("z", z.len(), self.latent(), rows)?;
        if !std.is_empty() {
            same_rows("std", std.len(), self.latent(), rows)?;
            self.check_std()?;
        }
        self.check_given(rows)?;
        for (first, count) in self.passes(rows) {
            self.load(&x[first * self.width()..], first, count)?;
            self.load_given(first, count);
            self.encode_loaded(z, std, first, count);
        }
        Ok(())
    }

    /// The same for `rows` of a part, whose units must be the model's.
    ///
    /// # Errors
    /// As [`Self::encode`], and if the rows cannot be read.
    pub fn encode_part(
        &mut self,
        z: &mut [T],
        std: &mut [T],
        part: &Part,
        rows: &[usize],
    ) -> Result<()> {
        same_rows("z", z.len(), self.latent(), rows.len())?;
        if !std.is_empty() {
            same_rows("std", std.len(), self.latent(), rows.len())?;
            self.check_std()?;
        }
        for (first, count) in self.passes(rows.len()) {
            self.gather(part, &rows[first..first + count])?;
            self.encode_loaded(z, std, first, count);
        }
        Ok(())
    }

    /// `x ← the likelihood's mean at each latent`.
    ///
    /// # Errors
    /// If the slices are not the same number of rows, or a latent is not finite.
    pub fn decode<S: Real>(&mut self, x: &mut [S], z: &[T]) -> Result<()> {
        self.decode_as(x, z, None)
    }

    /// `x ← a draw for each latent`: from every conditional between the levels and, if
    /// `sampling.shown` says so, from the likelihood.
    ///
    /// # Errors
    /// As [`Self::decode`].
    pub fn decode_draw<S: Real>(
        &mut self,
        x: &mut [S],
        z: &[T],
        sampling: &Sampling,
    ) -> Result<()> {
        self.decode_as(x, z, Some(sampling))
    }

    fn decode_as<S: Real>(
        &mut self,
        x: &mut [S],
        z: &[T],
        sampling: Option<&Sampling>,
    ) -> Result<()> {
        let (width, latent) = (self.width(), self.latent());
        let rows = whole_rows("z", z.len(), latent)?;
        same_rows("x", x.len(), width, rows)?;
        if let Some(i) = z.iter().position(|z| !z.is_finite()) {
            let (row, column, value) = (i / latent, i % latent, z[i].to_f64());
            return Err(Error::value(row, column, value, "a latent must be finite"));
        }
        if let Some(sampling) = sampling {
            check_temperature(sampling)?;
        }
        self.check_given(rows)?;
        for (first, count) in self.passes(rows) {
            self.load_given(first, count);
            let sampling = sampling.map(|s| from_row(s, first));
            let Session { model, ws, x: buffer, .. } = self;
            let z = view(&z[first * latent..], count, latent);
            let out = view_mut(buffer, count, width);
            entered(count, || match &sampling {
                None => model.vae.decode(out, ws, &z, &model.params),
                Some(s) => model.vae.decode_draw(out, ws, &z, &model.params, s),
            });
            self.unload(&mut x[first * width..], count);
        }
        Ok(())
    }

    /// `out ← the likelihood's mean at the posterior mean of each row`.
    ///
    /// # Errors
    /// As [`Self::encode`].
    pub fn reconstruct<S: Real>(&mut self, out: &mut [S], x: &[S]) -> Result<()> {
        let width = self.width();
        let rows = whole_rows("x", x.len(), width)?;
        same_rows("out", out.len(), width, rows)?;
        self.check_given(rows)?;
        for (first, count) in self.passes(rows) {
            self.load(&x[first * width..], first, count)?;
            self.load_given(first, count);
            self.reconstruct_loaded(&mut out[first * width..], count);
        }
        Ok(())
    }

    /// The same for `rows` of a part, whose units must be the model's; `seen`, unless it is empty,
    /// becomes what the model saw of them, in the data's own units.
    ///
    /// # Errors
    /// As [`Self::reconstruct`], and if the rows cannot be read.
    pub fn reconstruct_part<S: Real>(
        &mut self,
        out: &mut [S],
        seen: &mut [S],
        part: &Part,
        rows: &[usize],
    ) -> Result<()> {
        let width = self.width();
        same_rows("out", out.len(), width, rows.len())?;
        if !seen.is_empty() {
            same_rows("seen", seen.len(), width, rows.len())?;
        }
        for (first, count) in self.passes(rows.len()) {
            self.gather(part, &rows[first..first + count])?;
            if !seen.is_empty() {
                self.unload(&mut seen[first * width..], count);
            }
            self.reconstruct_loaded(&mut out[first * width..], count);
        }
        Ok(())
    }

    /// `x ← new rows`: what `sampling.shown` says of the likelihood at draws from the prior: its
    /// mean, its mode or a draw.
    ///
    /// # Errors
    /// If the slice is not a whole number of rows, the temperature is not a number of at least 0, or a
    /// conditional model was not told the rows' condition.
    pub fn sample<S: Real>(&mut self, x: &mut [S], sampling: &Sampling) -> Result<()> {
        let width = self.width();
        let rows = whole_rows("x", x.len(), width)?;
        check_temperature(sampling)?;
        self.check_given(rows)?;
        for (first, count) in self.passes(rows) {
            self.load_given(first, count);
            let sampling = from_row(sampling, first);
            let Session { model, ws, x: buffer, .. } = self;
            let out = view_mut(buffer, count, width);
            entered(count, || model.vae.sample(out, ws, &model.params, &sampling));
            self.unload(&mut x[first * width..], count);
        }
        Ok(())
    }

    /// `scores ← −ELBO, reconstruction and KL of each row`, in nats and in the data's own units, averaged
    /// over [`DRAWS`] draws: what `elbo evaluate --per-row` gives. The noise of a row depends on what it
    /// holds: equal rows have equal scores, to the last bit, wherever they stand. The first call allocates.
    ///
    /// # Errors
    /// As [`Self::encode`], and if the machine has not the memory.
    pub fn score<S: Real>(&mut self, scores: &mut [Score], x: &[S]) -> Result<()> {
        let width = self.width();
        let rows = whole_rows("x", x.len(), width)?;
        same_rows("scores", scores.len(), 1, rows)?;
        self.check_given(rows)?;
        if self.evaluator.is_none() {
            let most = self.ws.max_rows();
            self.evaluator = Some(Evaluator::for_scores(&self.model.vae, most, DRAWS)?);
        }
        let most = self.evaluator.as_ref().map_or(1, Evaluator::max_rows);
        for first in (0..rows).step_by(most) {
            let count = most.min(rows - first);
            self.load(&x[first * width..], first, count)?;
            self.load_given(first, count);
            let Session { model, x, condition, evaluator, volume, .. } = self;
            let Model { vae, params, header } = model;
            let evaluator = evaluator.as_mut().expect("made above");
            let conditions = &condition[..count * vae.condition()];
            evaluator.load(count, &x[..count * width], conditions);
            parallel::enter(|| evaluator.score_loaded(vae, params, count, DRAWS, header.noise()));
            let found = evaluator.scores(count, volume);
            scores[first..].iter_mut().zip(found).for_each(|(score, row)| *score = row.score);
        }
        Ok(())
    }

    /// The first row and the number of rows of each pass.
    fn passes(&self, rows: usize) -> impl Iterator<Item = (usize, usize)> + use<T> {
        let most = self.ws.max_rows();
        (0..rows).step_by(most).map(move |first| (first, most.min(rows - first)))
    }

    /// Brings `count` rows into the model's units. `first` is the number of the first, for messages.
    fn load<S: Real>(&mut self, x: &[S], first: usize, count: usize) -> Result<()> {
        let width = self.width();
        let likelihood = self.model.vae.likelihood();
        let scaled = self.columns.scaled();
        let rows = self.x[..count * width].chunks_exact_mut(width).zip(x.chunks_exact(width));
        for (row, (seen, x)) in rows.enumerate() {
            for (column, (seen, x)) in seen.iter_mut().zip(x).enumerate() {
                let value = x.to_f64();
                *seen = T::from_f64(scaled.map_or(value, |c| c[column].apply(value)));
                if let Some(message) = refusal(likelihood, column, *seen) {
                    let mut error = Error::value(first + row, column, value, message);
                    if let Error::Value { name, .. } = &mut error {
                        *name = self.columns[column].text().map(str::to_owned);
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Brings rows of a part, and their conditions, into the buffers.
    fn gather(&mut self, part: &Part, rows: &[usize]) -> Result<()> {
        let width = self.width();
        if part.data().width() != width {
            let message =
                format!("rows of {} values do not fit the model's {width}", part.data().width());
            return Err(Error::setting("data", message));
        }
        if let Some(row) = rows.iter().find(|row| **row >= part.data().rows()) {
            return Err(Error::setting(
                "rows",
                format!(
                    "there is no row {}: the data have {}",
                    row.saturating_add(1),
                    part.data().rows()
                ),
            ));
        }
        let [theirs, ours] = [part.columns(), &self.columns].map(|c| c.iter().map(|c| c.unit));
        if theirs.ne(ours) {
            let message =
                "the part's units are not the model's: give it those of the header's columns";
            return Err(Error::setting("standardize", message));
        }
        self.model.vae.check_condition(part.condition_width())?;
        part.gather(&mut self.x[..rows.len() * width], rows, None)?;
        if self.condition() > 0 {
            let condition = &mut self.condition[..rows.len() * self.model.vae.condition()];
            part.gather_condition(condition, rows);
            self.ws.set_condition(&view(condition, rows.len(), self.model.vae.condition()));
        }
        let likelihood = self.model.vae.likelihood();
        for (row, seen) in rows.iter().zip(self.x.chunks_exact(width)) {
            for (column, &u) in seen.iter().enumerate() {
                if let Some(message) = refusal(likelihood, column, u) {
                    let u = u.to_f64();
                    let value = self.columns[column].undo(u);
                    return Err(part.data().bad_value(*row, column, value, message));
                }
            }
        }
        Ok(())
    }

    /// `out ← the rows in the buffer`, in the data's own units.
    fn unload<S: Real>(&self, out: &mut [S], count: usize) {
        let width = self.width();
        let seen = self.x[..count * width].chunks_exact(width);
        let scaled = self.columns.scaled();
        for (out, seen) in out.chunks_exact_mut(width).zip(seen) {
            for (column, (out, seen)) in out.iter_mut().zip(seen).enumerate() {
                let u = seen.to_f64();
                *out = S::from_f64(scaled.map_or(u, |c| c[column].undo(u)));
            }
        }
    }

    fn check_std(&self) -> Result<()> {
        if self.model.vae.has_posterior_std() {
            return Ok(());
        }
        let posterior = &self.model.header.model.posterior;
        let message = format!("the spread of `{posterior}` is not known in closed form");
        Err(Error::setting("posterior", message))
    }

    fn encode_loaded(&mut self, z: &mut [T], std: &mut [T], first: usize, count: usize) {
        let (width, latent) = (self.width(), self.latent());
        let Session { model, ws, x, .. } = self;
        let x = view(x, count, width);
        let means = view_mut(&mut z[first * latent..], count, latent);
        entered(count, || model.vae.encode(means, ws, &x, &model.params));
        if !std.is_empty() {
            model.vae.posterior_std(view_mut(&mut std[first * latent..], count, latent), ws);
        }
    }

    fn reconstruct_loaded<S: Real>(&mut self, out: &mut [S], count: usize) {
        let (width, latent) = (self.width(), self.latent());
        let Session { model, ws, x, z, .. } = self;
        let mut means = view_mut(z, count, latent);
        entered(count, || {
            model.vae.encode(means.view_mut(), ws, &view(x, count, width), &model.params);
            model.vae.decode(view_mut(x, count, width), ws, &means.view(), &model.params);
        });
        self.unload(out, count);
    }
}

/// Why a model cannot have a value, if it cannot.
fn refusal<T: Real>(
    likelihood: &dyn Distribution<T>,
    column: usize,
    seen: T,
) -> Option<&'static str> {
    let facts = likelihood.facts(column);
    if facts.missing && seen.is_nan() {
        return None;
    }
    // Every density squares it.
    if !(seen * seen).is_finite() {
        return Some("it is not finite, or not in the model's units and precision");
    }
    match facts.domain.support(seen.to_f64()) {
        Support::Outside(message) => Some(message),
        _ => None,
    }
}

/// Above any use, and far below where single precision ends.
const HOTTEST: f64 = 1e6;

fn check_temperature(sampling: &Sampling) -> Result<()> {
    let t = sampling.temperature;
    if (0.0..=HOTTEST).contains(&t) {
        return Ok(());
    }
    let message = format!("{t} is not a number of at least 0 and at most {HOTTEST:e}");
    Err(Error::setting("temperature", message))
}

/// The same sampling, `rows` further on.
fn from_row(sampling: &Sampling, rows: usize) -> Sampling {
    Sampling { first: sampling.first.wrapping_add(rows as u64), ..*sampling }
}

/// Many rows go to the thread pool; for one the way there would take longer than the work.
fn entered(rows: usize, work: impl FnOnce() + Send) {
    if rows > 1 { parallel::enter(work) } else { work() }
}

fn view<T>(rows: &[T], count: usize, width: usize) -> ArrayView2<'_, T> {
    ArrayView2::from_shape((count, width), &rows[..count * width]).expect("whole rows")
}

fn view_mut<T>(rows: &mut [T], count: usize, width: usize) -> ArrayViewMut2<'_, T> {
    ArrayViewMut2::from_shape((count, width), &mut rows[..count * width]).expect("whole rows")
}

/// How many rows of `width` values there are.
fn whole_rows(name: &str, len: usize, width: usize) -> Result<usize> {
    match len % width {
        0 => Ok(len / width),
        _ => Err(Error::setting(name, format!("{len} values are not whole rows of {width}"))),
    }
}

fn same_rows(name: &str, len: usize, width: usize, rows: usize) -> Result<()> {
    match rows.checked_mul(width) {
        Some(expected) if expected == len => Ok(()),
        _ => Err(Error::setting(name, format!("{len} values are not {rows} rows of {width}"))),
    }
}

#[cfg(test)]
mod tests;

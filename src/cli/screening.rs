//! A row that the model cannot have does not stop the others: it is named, and left without a result.

use crate::Common;
use crate::join::Join;
use crate::reading::DataArgs;
use elbo::data::Part;
use elbo::error::{Error, Result};
use elbo::model_file::Model;

/// How many refused rows a note names.
const NAMED: usize = 3;

/// The rows that a command works on, and those of them that get no result.
pub(crate) struct Screened {
    /// The rows that get one.
    pub(crate) part: Part,
    /// All rows that were asked for, in order, and whether each is refused.
    all: Vec<usize>,
    refused: Vec<bool>,
    /// Where and why the first of the refused are.
    named: Vec<String>,
    /// The name of the data.
    data: String,
}

impl Screened {
    /// Sets rows apart that the model cannot have.
    ///
    /// # Errors
    /// If there is no other row, or a file cannot be read.
    pub(crate) fn new(mut part: Part, model: &Model<f32>, data: &DataArgs) -> Result<Self> {
        let found = part.screen(model.vae.likelihood())?;
        let all = part.rows().to_vec();
        if found.len() == all.len() {
            let first = found.into_iter().next().map(|refused| refused.why);
            return Err(first.map_or(Error::setting("--part", "has no rows"), |e| data.blame(e)));
        }
        let mut named: Vec<String> = Vec::new();
        let mut last = "";
        for refused in found.iter().take(NAMED) {
            let (text, message) = told(&refused.why);
            // What was said of the row before need not be said again.
            named.push(if message == last { text } else { format!("{text}: {message}") });
            last = message;
        }
        let is_refused = |row: &usize| found.binary_search_by_key(row, |r| r.row).is_ok();
        let refused: Vec<bool> = all.iter().map(is_refused).collect();
        part.retain(|row| !is_refused(&row));
        Ok(Screened { part, all, refused, named, data: data.name().to_owned() })
    }

    /// Refuses rows of the data, in order, whose results show only now that the model cannot have them.
    ///
    /// # Errors
    /// If no other row is left.
    pub(crate) fn refuse(&mut self, rows: &[usize], why: &str) -> Result<()> {
        let named = rows.iter().map(|row| format!("row {}: {why}", row + 1));
        self.named.extend(named.take(NAMED.saturating_sub(self.named.len())));
        for (row, refused) in self.all.iter().zip(&mut self.refused) {
            *refused |= rows.binary_search(row).is_ok();
        }
        self.part.retain(|row| rows.binary_search(&row).is_err());
        match self.part.rows().is_empty() {
            true => Err(Error::file(&self.data, self.named.join("; "))),
            false => Ok(()),
        }
    }

    /// How many rows were asked for.
    pub(crate) fn count(&self) -> usize {
        self.all.len()
    }

    /// How many of them are refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.iter().filter(|refused| **refused).count()
    }

    /// What tells which rows they are.
    pub(crate) fn join(&self) -> Join {
        Join::of(self.part.data(), &self.all)
    }

    /// The same values, `[n·W]` of the rows that have some, with the line `missing: [W]` for each that
    /// has none.
    pub(crate) fn spread(&self, values: Vec<f64>, missing: &[f64]) -> Vec<f64> {
        if !self.refused.contains(&true) {
            return values;
        }
        let mut lines = values.chunks_exact(missing.len());
        let line = |refused: &bool| if *refused { None } else { lines.next() }.unwrap_or(missing);
        self.refused.iter().flat_map(line).copied().collect()
    }

    /// The values, `[n·W]`, of the rows that have finite ones; the others are refused.
    ///
    /// # Errors
    /// If there are no others.
    pub(crate) fn finite(&mut self, values: Vec<f64>, width: usize, why: &str) -> Result<Vec<f64>> {
        let whole = |line: &[f64]| line.iter().all(|v| v.is_finite());
        let lines = values.chunks_exact(width).zip(self.part.rows());
        let broken: Vec<_> = lines.filter(|(l, _)| !whole(l)).map(|(_, row)| *row).collect();
        if broken.is_empty() {
            return Ok(values);
        }
        self.refuse(&broken, why)?;
        Ok(values.chunks_exact(width).filter(|line| whole(line)).flatten().copied().collect())
    }

    /// Says which rows have no result, which is what `lacks` calls it.
    pub(crate) fn tell(&self, lacks: &str, common: &Common) {
        let (refused, all) = (self.refused(), self.count());
        if refused > 0 {
            let more = match refused - self.named.len() {
                0 => String::new(),
                more => format!("; and {more} more"),
            };
            let (data, named) = (&self.data, self.named.join("; "));
            let rows = if all == 1 { "row" } else { "rows" };
            common.note(format!("note: {data}: {refused} of {all} {rows} {lacks}: {named}{more}"));
        }
    }
}

/// Where a bad value is, and why it is one.
fn told(why: &Error) -> (String, &str) {
    let message = if let Error::Value { message, .. } = why { &message[..] } else { "" };
    let text = why.to_string();
    let place = text.strip_suffix(message).and_then(|place| place.strip_suffix(": "));
    (place.unwrap_or(&text).to_owned(), message)
}

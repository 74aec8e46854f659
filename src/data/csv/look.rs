//! One look at all cells of a column, from which follows what they are.
//!
//! | cells | column |
//! |---|---|
//! | one text, none missing | constant |
//! | numbers in one way of writing | number; a key, if each is one more than that above |
//! | dates in one format | date |
//! | words of few kinds | classes; from 257 kinds on the rarest are one class, if words come twenty times on average |
//! | words that differ in every row | key |
//! | other words | text |
//!
//! Numbers among which as many words stand at most are neither: such a word is a slip, or says in its own way that a cell is missing
//! (`--missing`).

use super::numbers::{self, Form, Forms, is_doubtful};
use super::trouble::Written;
use crate::data::table::{Cells, NumberScale, TableColumn, dates};
use std::collections::HashMap;

/// Different texts that are counted; a column with more has no classes.
const MOST_TEXTS: usize = 10_000;

/// Classes of a column.
const MOST_CLASSES: usize = 256;

/// Rows of which all texts differ before they are taken for keys.
const ENOUGH: u64 = 20;

/// What is known of a column's cells.
pub(super) struct Look {
    missing_words: Option<Vec<String>>,
    rows: u64,
    missing: HashMap<String, u64>,
    texts: HashMap<String, u64>,
    too_many: bool,
    numbers: u64,
    forms: Forms,
    /// The formats that fit all cells so far.
    formats: Vec<&'static str>,
    /// Whether all points are where separators of thousands could stand, and there are some.
    doubtful: Option<bool>,
    /// Digits behind a point and behind a comma at most; nothing where there is an exponent, or very many.
    decimals: Option<[usize; 2]>,
    /// The last number, while each was one more than that above.
    count: Option<f64>,
    /// The first word, and its line.
    word: Option<(u64, String)>,
}

/// What a column is, or the word that stands among its numbers, with its line.
pub(super) enum Settled {
    Column(TableColumn),
    Slip(u64, String),
    /// It was to be dates, which no format fits.
    NoDate,
}

/// Whether a cell says that it is missing.
fn is_missing(cell: &str, words: Option<&[String]>) -> bool {
    match words {
        Some(words) => cell.is_empty() || words.iter().any(|word| word == cell),
        None => numbers::is_missing(cell),
    }
}

impl Look {
    pub(super) fn new(missing_words: Option<&[String]>) -> Self {
        Look {
            missing_words: missing_words.map(<[String]>::to_vec),
            rows: 0,
            missing: HashMap::new(),
            texts: HashMap::new(),
            too_many: false,
            numbers: 0,
            forms: Forms::ALL,
            formats: dates::FORMATS.to_vec(),
            doubtful: None,
            decimals: Some([0; 2]),
            count: None,
            word: None,
        }
    }

    /// Looks at the next cell.
    pub(super) fn add(&mut self, cell: &str, line: u64) {
        self.rows += 1;
        if is_missing(cell, self.missing_words.as_deref()) {
            *self.missing.entry(cell.to_owned()).or_default() += 1;
            self.count = None;
            return;
        }
        if !self.too_many {
            let known = self.texts.len();
            match self.texts.get_mut(cell) {
                Some(count) => *count += 1,
                None if known == MOST_TEXTS => {
                    (self.too_many, self.texts) = (true, HashMap::new());
                }
                None => _ = self.texts.insert(cell.to_owned(), 1),
            }
        }
        let forms = Forms::of(cell).numbers();
        let next = self.forms.and(forms);
        if forms.is_empty() {
            self.word.get_or_insert_with(|| (line, cell.chars().take(40).collect()));
        } else {
            self.numbers += 1;
            if !next.is_empty() {
                self.forms = next;
            }
            if cell.contains('.') {
                self.doubtful = Some(self.doubtful.unwrap_or(true) && is_doubtful(cell));
            }
            let exponent = cell.contains(['e', 'E']);
            let behind =
                ['.', ','].map(|point| cell.rsplit_once(point).map_or(0, |(_, d)| d.len()));
            let few = !exponent && behind.iter().all(|digits| *digits <= 9);
            let most = |d: [usize; 2]| [d[0].max(behind[0]), d[1].max(behind[1])];
            self.decimals = self.decimals.filter(|_| few).map(most);
            let value = Form::Plain.value(cell);
            self.count = match (self.count, value) {
                (None, value) if self.rows == 1 => value,
                (Some(last), Some(value)) if value == last + 1.0 => Some(value),
                _ => None,
            };
        }
        self.formats.retain(|format| dates::seconds(cell, format).is_some());
    }

    /// What the column is. How its numbers are written other columns help to say ([`Self::write_as`]); of numbers and dates the
    /// range is filled in when they are read.
    pub(super) fn settle(&self, name: &str, kind: Option<&str>) -> Settled {
        let present = self.rows - self.missing.values().sum::<u64>();
        let words = present - self.numbers;
        let spelled =
            self.missing.iter().max_by_key(|(text, n)| (**n, std::cmp::Reverse((*text).clone())));
        let spelled = spelled.map_or_else(String::new, |(text, _)| text.clone());
        let column = |cells: Cells| TableColumn {
            name: name.to_owned(),
            cells,
            missing: (self.rows - present) as f64 / self.rows.max(1) as f64,
            spelled: spelled.clone(),
        };
        let decimals = Some(0);
        let scale = NumberScale {
            least: 0.0,
            most: 0.0,
            step: 0.0,
            decimals,
            comma: false,
            atoms: Vec::new(),
            quantiles: None,
            no_others: false,
        };
        let kinds = self.texts.len();
        let cells = match kind {
            Some("text") => Cells::Text,
            Some("key") => Cells::Key,
            Some("class") if self.too_many => Cells::Text,
            Some("class") => self.classes(),
            Some("number") if words > 0 => return self.slip(),
            Some("date") if self.formats.is_empty() => return Settled::NoDate,
            _ if present == 0 => Cells::Constant { text: spelled.clone() },
            _ if kinds == 1 && present == self.rows => {
                Cells::Constant { text: self.texts.keys().next().cloned().unwrap_or_default() }
            }
            Some("number") => Cells::Number(scale),
            Some("date") => self.dates(scale),
            _ if self.numbers == present && !self.forms.is_empty() => match self.count {
                Some(_) if self.rows >= ENOUGH => Cells::Key,
                _ => Cells::Number(scale),
            },
            _ if !self.formats.is_empty() => self.dates(scale),
            _ if self.numbers >= words => return self.slip(),
            _ if self.too_many => Cells::Text,
            _ if kinds as u64 == present && present >= ENOUGH => Cells::Key,
            _ if kinds <= MOST_CLASSES && (kinds <= 20 || present >= 2 * kinds as u64) => {
                self.classes()
            }
            _ if kinds > MOST_CLASSES && present >= 20 * kinds as u64 => self.classes(),
            _ => Cells::Text,
        };
        Settled::Column(column(cells))
    }

    fn slip(&self) -> Settled {
        let (line, word) = self.word.clone().expect("a word was counted");
        Settled::Slip(line, word)
    }

    fn dates(&self, scale: NumberScale) -> Cells {
        Cells::Date { format: self.formats[0].to_owned(), scale }
    }

    /// How its numbers may be written, as column `j`.
    pub(super) fn written(&self, j: usize) -> Written {
        Written { j, forms: self.forms, doubtful: self.doubtful }
    }

    /// Writes this form of its numbers into their column.
    pub(super) fn write_as(&self, form: Form, column: &mut TableColumn) {
        if let Cells::Number(scale) = &mut column.cells {
            scale.comma = form == Form::Comma;
            let behind = |d: [usize; 2]| d[usize::from(scale.comma)] as u8;
            scale.decimals = self.decimals.map(behind);
        }
    }

    /// The texts as levels, in order; of too many the rarest as one.
    fn classes(&self) -> Cells {
        let mut texts: Vec<(&String, &u64)> = self.texts.iter().collect();
        let rare =
            if texts.len() > MOST_CLASSES { (texts.len() - MOST_CLASSES + 1) as u64 } else { 0 };
        if rare > 0 {
            texts.sort_by_key(|(text, n)| (std::cmp::Reverse(**n), (*text).clone()));
            texts.truncate(MOST_CLASSES - 1);
        }
        let mut levels: Vec<String> = texts.into_iter().map(|(text, _)| text.clone()).collect();
        levels.sort();
        if levels.iter().all(|level| level.parse::<i64>().is_ok()) {
            levels.sort_by_key(|level| level.parse::<i64>().unwrap_or(0));
        }
        if rare > 0 {
            levels.push("other".to_owned());
        }
        Cells::Class { levels, rare }
    }
}

/// How a column's cells are read, fast.
pub struct Reading {
    missing_words: Option<Vec<String>>,
    form: Form,
    places: HashMap<String, f64>,
    rest: Option<f64>,
    format: Option<String>,
}

impl Reading {
    /// For a column, with the words that say that a cell is missing, if they are not the usual ones.
    pub fn new(column: &TableColumn, missing_words: Option<&[String]>) -> Self {
        let (mut places, mut rest, mut format, mut form) =
            (HashMap::new(), None, None, Form::Plain);
        match &column.cells {
            Cells::Class { levels, rare } => {
                places = levels.iter().enumerate().map(|(i, l)| (l.clone(), i as f64)).collect();
                rest = (*rare > 0).then(|| (levels.len() - 1) as f64);
            }
            Cells::Date { format: text, .. } => format = Some(text.clone()),
            Cells::Number(scale) if scale.comma => form = Form::Comma,
            _ => {}
        }
        Reading { missing_words: missing_words.map(<[String]>::to_vec), form, places, rest, format }
    }

    /// The value of a cell: NaN of a missing one; nothing of one that the column cannot have.
    pub fn value(&self, cell: &str) -> Option<f64> {
        if let Some(place) = self.places.get(cell) {
            return Some(*place);
        }
        if is_missing(cell, self.missing_words.as_deref()) {
            return Some(f64::NAN);
        }
        match &self.format {
            Some(format) => dates::seconds(cell, format),
            None if self.places.is_empty() => {
                let thousands = || Form::Thousands.value(cell).filter(|_| self.form == Form::Plain);
                self.form.value(cell).or_else(thousands)
            }
            None => self.rest,
        }
    }
}

impl TableColumn {
    /// The value of a cell's text: NaN of a missing one; nothing of one that the column cannot have.
    pub fn value(&self, text: &str) -> Option<f64> {
        Reading::new(self, None).value(text.trim())
    }
}

/// Fills in the range, the steps and the frequent values of a column of numbers or dates.
pub(super) fn fill_in(column: &mut TableColumn, values: impl Iterator<Item = f64> + Clone) {
    let (Cells::Number(scale) | Cells::Date { scale, .. }) = &mut column.cells else { return };
    let values = values.filter(|v| !v.is_nan());
    scale.least = values.clone().fold(f64::INFINITY, f64::min);
    scale.most = values.clone().fold(f64::NEG_INFINITY, f64::max);
    // In the last decimal as units, numbers are whole; the largest step that divides all distances is that of the lattice.
    let units = scale.decimals.map(|decimals| 10f64.powi(i32::from(decimals)));
    let whole = |v: f64, units: f64| ((v - scale.least) * units).round();
    if let Some(units) = units.filter(|units| whole(scale.most, *units) < 1e15) {
        let divisor = values.clone().fold(0, |divisor, v| gcd(divisor, whole(v, units) as u64));
        scale.step = divisor as f64 / units;
    }
    let steps = if scale.step > 0.0 {
        (scale.most - scale.least) / scale.step + 1.0
    } else {
        f64::INFINITY
    };
    match few(values.clone(), steps) {
        Some(all) => (scale.atoms, scale.no_others) = (all, true),
        None => scale.atoms = atoms(values, OFTEN.max(OFTENER / steps)),
    }
}

/// All numbers that there are, in order, if they are few, each comes often, and a lattice would have far more: they are a
/// class to the model.
fn few(values: impl Iterator<Item = f64>, steps: f64) -> Option<Vec<f64>> {
    /// Rows of each number on average, and steps of a lattice for each that is there, at least.
    const ROWS: usize = 20;
    const STEPS: f64 = 4.0;
    let (mut seen, mut rows) = (HashMap::new(), 0);
    for value in values {
        rows += 1;
        // Minus nothing is nothing.
        seen.insert((value + 0.0).to_bits(), value);
        if seen.len() > MOST_CLASSES {
            return None;
        }
    }
    let count = seen.len();
    let are_few = count > 2 && rows >= ROWS * count && steps >= STEPS * count as f64;
    let mut all: Vec<f64> = seen.into_values().collect();
    all.sort_by(f64::total_cmp);
    are_few.then_some(all)
}

/// The share of a column's cells from which on a number is an atom, how much more that must be than its share would be
/// among equals, and the rows that it stands in at least.
const OFTEN: f64 = 0.04;
const OFTENER: f64 = 4.0;
const OFTEN_ROWS: usize = 10;

/// The numbers that have such a share, in order.
fn atoms(values: impl Iterator<Item = f64> + Clone, share: f64) -> Vec<f64> {
    // Whatever has more than a share 1/(k + 1) of all is among the k that are left when each other one takes one away
    // (Misra & Gries 1982).
    const KEPT: usize = 25;
    let mut kept: Vec<(f64, usize)> = Vec::with_capacity(KEPT);
    for value in values.clone() {
        let room = kept.len() < KEPT;
        match kept.iter_mut().find(|(known, _)| *known == value) {
            Some((_, count)) => *count += 1,
            None if room => kept.push((value, 1)),
            None => {
                kept.iter_mut().for_each(|(_, count)| *count -= 1);
                kept.retain(|(_, count)| *count > 0);
            }
        }
    }
    kept.iter_mut().for_each(|(_, count)| *count = 0);
    let mut all = 0;
    for value in values {
        all += 1;
        if let Some((_, count)) = kept.iter_mut().find(|(known, _)| *known == value) {
            *count += 1;
        }
    }
    kept.retain(|(_, n)| *n >= OFTEN_ROWS && *n as f64 >= share * all as f64);
    let mut atoms: Vec<f64> = kept.into_iter().map(|(value, _)| value).collect();
    atoms.sort_by(f64::total_cmp);
    atoms
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

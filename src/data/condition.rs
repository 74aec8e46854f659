//! What rows are given: classes and numbers that every network of a conditional model sees beside its input, and
//! an exposure that multiplies what it emits.
//!
//! ```text
//! c = [one-hot of a class, or (v − mean)/spread of a number | the next | …]   [C]
//! and behind it ln(e/mean) of the exposure e, which no network sees
//! ```
//!
//! Levels, mean and spread are those of the training rows. A row of another level has no place among these, and
//! is refused: what a network makes of an input that it has never seen is nobody's guess.

mod given;

pub(super) use given::Given;

use super::labels::MOST_LABELS;
use super::{Dataset, Labels, Part};
use crate::error::{Error, Result};
use crate::real::Real;
use std::collections::BTreeMap;
use std::str::FromStr;

/// What the labels of data are called among its conditions.
pub const LABEL: &str = "label";

/// As what a column is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConditionKind {
    /// One of the classes that training rows have.
    Class,
    /// A number.
    Number,
    /// An exposure, above 0: a row of twice the exposure has twice the counts.
    Exposure,
}

/// A column that is to be a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name, or [`LABEL`].
    pub name: String,
    /// As what.
    pub kind: ConditionKind,
}

impl FromStr for Wanted {
    type Err = Error;

    /// `NAME` for classes, `NAME=number`.
    fn from_str(text: &str) -> Result<Self> {
        let (name, kind) = match text.rsplit_once('=') {
            Some((name, "number")) => (name, ConditionKind::Number),
            Some((name, "class")) => (name, ConditionKind::Class),
            _ => (text, ConditionKind::Class),
        };
        Ok(Wanted { name: name.trim().to_owned(), kind })
    }
}

/// What a row has of a condition, such as its label, and how networks see it.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    /// The column's name, or [`LABEL`].
    pub name: String,
    /// Its values.
    pub scale: Scale,
}

/// The values of a condition.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// These classes. A value is a place among them, and is seen as a one-hot.
    Classes(Vec<String>),
    /// A number, which is seen in units of its spread around its mean.
    Number(Numbers),
    /// An exposure e, as ln(e/mean).
    Exposure(Numbers),
}

/// What is known of a column of numbers, in the training rows.
#[derive(Clone, Copy, Debug, PartialEq)]
#[allow(missing_docs)]
pub struct Numbers {
    pub mean: f64,
    /// The standard deviation.
    pub spread: f64,
    pub least: f64,
    pub most: f64,
}

/// What a training row had of all conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct Combination {
    /// The level's place of each class, the number of each other condition.
    pub values: Vec<f64>,
    /// How many of the training rows had it.
    pub rows: u64,
}

/// What the rows of a model's data are given.
#[derive(Clone, Debug, PartialEq)]
pub struct Conditions {
    list: Vec<Condition>,
    seen: Vec<Combination>,
}

/// With numbers nearly every row is a combination of its own; so many, evenly from all, are kept to generate rows
/// under.
const MOST_SEEN: usize = 1024;

impl Conditions {
    /// These conditions, of which training rows had these combinations.
    ///
    /// # Errors
    /// If there is no condition, or one without levels or without finite numbers, or an exposure that is not the
    /// last, or a combination of others or of no rows, or more rows than can be counted.
    pub fn new(list: Vec<Condition>, seen: Vec<Combination>) -> Result<Self> {
        let odd = |message: &str| Err(Error::setting("condition", message));
        if list.is_empty() || !list.iter().all(|condition| condition.scale.is_sound()) {
            return odd("there is one without levels or a spread, or none");
        }
        if list.iter().rev().skip(1).any(|c| matches!(c.scale, Scale::Exposure(_))) {
            return odd("an exposure stands behind all others, and there is one");
        }
        let fits = |combination: &Combination| {
            let of = combination.values.iter().zip(&list);
            combination.values.len() == list.len()
                && of.clone().all(|(value, condition)| condition.scale.has(*value))
                && combination.rows > 0
        };
        if seen.is_empty() || !seen.iter().all(fits) {
            return odd("a combination of values is not of these");
        }
        if seen.iter().try_fold(0u64, |sum, c| sum.checked_add(c.rows)).is_none() {
            return odd("the combinations have more rows than can be counted");
        }
        Ok(Conditions { list, seen })
    }

    /// What the rows of `part` have of these columns, the exposure behind all others.
    ///
    /// # Errors
    /// If the data have no such columns, or one is wanted twice as the same, or has too many classes, or a cell that is
    /// to be a number is none.
    pub fn of(part: &Part, wanted: &[Wanted]) -> Result<Self> {
        let mut wanted: Vec<&Wanted> = wanted.iter().collect();
        wanted.sort_by_key(|wanted| wanted.kind == ConditionKind::Exposure);
        for (i, Wanted { name, kind }) in wanted.iter().enumerate() {
            let exposure = |kind| kind == ConditionKind::Exposure;
            let again = |w: &&&Wanted| w.name == *name && exposure(w.kind) == exposure(*kind);
            if wanted[..i].iter().any(|w| again(&w)) {
                return Err(Error::setting("condition", format!("`{name}` is there twice")));
            }
        }
        let (data, rows) = (part.data(), part.rows());
        let scale = |Wanted { name, kind }: &Wanted| {
            let scale = Scale::of(labels(data, name)?, rows, *kind, name)?;
            Ok(Condition { name: name.clone(), scale })
        };
        let list = wanted.into_iter().map(scale).collect::<Result<Vec<_>>>()?;
        let columns = list.iter().map(|condition| given::column(data, condition));
        let columns = columns.collect::<Result<Vec<_>>>()?;
        // Floats of one sign are in the order of their bits, and nothing but an even choice depends on it.
        let mut combinations = BTreeMap::<Vec<u64>, u64>::new();
        for &row in rows {
            let key = columns.iter().map(|column| column[row].to_bits()).collect();
            *combinations.entry(key).or_default() += 1;
        }
        let count = combinations.len();
        let all_classes = list.iter().all(|c| matches!(c.scale, Scale::Classes(_)));
        let most = if all_classes { count } else { MOST_SEEN.min(count) };
        let is_kept = |i: usize| i * most / count != (i + 1) * most / count;
        let seen = combinations.into_iter().enumerate().filter(|(i, _)| is_kept(*i));
        let seen = seen.map(|(_, (key, rows))| Combination {
            values: key.into_iter().map(f64::from_bits).collect(),
            rows,
        });
        let seen = seen.collect();
        Conditions::new(list, seen)
    }

    /// The conditions, in their order in c.
    pub fn list(&self) -> &[Condition] {
        &self.list
    }

    /// The combinations that training rows had, in order; of many numbers, some.
    pub fn seen(&self) -> &[Combination] {
        &self.seen
    }

    /// How many values stand beside a row: the C of c, and one more for an exposure.
    pub fn width(&self) -> usize {
        self.list.iter().map(|condition| condition.scale.width()).sum()
    }

    /// Whether the last is an exposure.
    pub fn has_exposure(&self) -> bool {
        self.list.last().is_some_and(|last| matches!(last.scale, Scale::Exposure(_)))
    }

    /// The places of the conditions `name`: one, or two if a column is also the exposure.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(&self, name: &str) -> Result<Vec<usize>> {
        let found: Vec<_> = (0..self.list.len()).filter(|k| self.list[*k].name == name).collect();
        match found.is_empty() {
            false => Ok(found),
            true => {
                let names = self.names().join(", ");
                let message = format!("the model is not given `{name}`, but {names}");
                Err(Error::setting("condition", message))
            }
        }
    }

    /// What the conditions are called, each once.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.list.iter().map(|c| c.name.as_str()).collect();
        if self.has_exposure() && names[..names.len() - 1].contains(&names[names.len() - 1]) {
            names.pop();
        }
        names
    }

    /// The value of condition `k` that is written so.
    ///
    /// # Errors
    /// If the training rows had no such level, or it is no number, or no exposure.
    ///
    /// # Panics
    /// If there is no such condition.
    pub fn value(&self, k: usize, text: &str) -> Result<f64> {
        let Condition { name, scale } = &self.list[k];
        scale.value(text).ok_or_else(|| Error::setting("condition", scale.refusal(name, text)))
    }

    /// `c ← what the networks see of these values, and ln(e/mean) of an exposure`, `[C]`.
    ///
    /// # Panics
    /// If `c` has another width, or there is no such level.
    pub fn encode<T: Real>(&self, c: &mut [T], values: &[f64]) {
        assert!(c.len() == self.width() && values.len() == self.list.len(), "one value for each");
        let mut first = 0;
        for (condition, value) in self.list.iter().zip(values) {
            let width = condition.scale.width();
            condition.scale.encode(&mut c[first..first + width], *value);
            first += width;
        }
    }
}

impl Scale {
    /// That of a column's values in these rows.
    fn of(labels: &Labels, rows: &[usize], kind: ConditionKind, name: &str) -> Result<Self> {
        let refuse = |message: String| Err(Error::setting("condition", message));
        if kind == ConditionKind::Class {
            // Of the data's classes those that these rows have, in the same order.
            let mut is_here = vec![false; labels.names().len()];
            rows.iter().for_each(|&row| is_here[labels.index(row)] = true);
            let here = labels.names().iter().zip(is_here);
            let levels: Vec<_> =
                here.filter(|(_, is_here)| *is_here).map(|(l, _)| l.clone()).collect();
            return match levels.len() <= MOST_LABELS {
                true => Ok(Scale::Classes(levels)),
                false => refuse(format!(
                    "`{name}` has more than {MOST_LABELS} different classes: if it is a number, say \
                     {name}=number"
                )),
            };
        }
        let mut numbers = Numbers::NONE;
        let (mut n, mut squares) = (0.0, 0.0);
        for &row in rows {
            let (text, exposure) = (labels.name(row), kind == ConditionKind::Exposure);
            let Some(v) = number(text).filter(|v| !exposure || *v > 0.0) else {
                let what = if exposure { "a number above 0" } else { "a finite number" };
                return refuse(format!("row {}: the {name} `{text}` is not {what}", row + 1));
            };
            // Welford's: a column such as the year has a spread far below its mean.
            n += 1.0;
            let step = v - numbers.mean;
            numbers.mean += step / n;
            squares += step * (v - numbers.mean);
            (numbers.least, numbers.most) = (numbers.least.min(v), numbers.most.max(v));
        }
        numbers.spread = f64::sqrt(squares / n);
        match kind {
            ConditionKind::Exposure => Ok(Scale::Exposure(numbers)),
            _ if numbers.least == numbers.most => {
                refuse(format!("`{name}` is {} in all training rows: leave it out", numbers.least))
            }
            _ => Ok(Scale::Number(numbers)),
        }
    }

    /// The levels, of classes.
    pub fn levels(&self) -> Option<&[String]> {
        match self {
            Scale::Classes(levels) => Some(levels),
            Scale::Number(_) | Scale::Exposure(_) => None,
        }
    }

    /// How many values stand beside a row for it.
    pub fn width(&self) -> usize {
        self.levels().map_or(1, <[String]>::len)
    }

    fn is_sound(&self) -> bool {
        let finite = |n: &Numbers| {
            [n.mean, n.spread, n.least, n.most].iter().all(|v| v.is_finite()) && n.least <= n.most
        };
        match self {
            Scale::Classes(levels) => !levels.is_empty(),
            Scale::Number(numbers) => finite(numbers) && numbers.spread > 0.0,
            Scale::Exposure(numbers) => finite(numbers) && numbers.mean > 0.0,
        }
    }

    /// Whether it can have this value.
    fn has(&self, value: f64) -> bool {
        match self {
            Scale::Classes(levels) => {
                value.fract() == 0.0 && (0.0..levels.len() as f64).contains(&value)
            }
            Scale::Number(_) => value.is_finite(),
            Scale::Exposure(_) => value.is_finite() && value > 0.0,
        }
    }

    /// The value that is written so, if it can have it.
    fn value(&self, text: &str) -> Option<f64> {
        match self {
            Scale::Classes(levels) => {
                levels.iter().position(|known| known == text).map(|place| place as f64)
            }
            Scale::Number(_) | Scale::Exposure(_) => number(text).filter(|value| self.has(*value)),
        }
    }

    /// How a value is written.
    pub fn text(&self, value: f64) -> String {
        match self {
            Scale::Classes(levels) => levels[value as usize].clone(),
            Scale::Number(_) | Scale::Exposure(_) => value.to_string(),
        }
    }

    /// Why it cannot have the value that is written so.
    fn refusal(&self, name: &str, text: &str) -> String {
        match self {
            Scale::Classes(levels) => {
                format!("no training row has the {name} `{text}`; they have {}", listed(levels))
            }
            Scale::Number(_) => format!("the {name} `{text}` is not a finite number"),
            Scale::Exposure(_) => format!("the {name} `{text}` is an exposure, and not above 0"),
        }
    }

    /// `c ←` what stands beside a row of this value.
    pub fn encode<T: Real>(&self, c: &mut [T], value: f64) {
        match self {
            Scale::Classes(_) => {
                c.fill(T::zero());
                c[value as usize] = T::one();
            }
            Scale::Number(n) => c[0] = T::from_f64((value - n.mean) / n.spread),
            Scale::Exposure(n) => c[0] = T::from_f64((value / n.mean).ln()),
        }
    }
}

impl Numbers {
    const NONE: Numbers =
        Numbers { mean: 0.0, spread: 0.0, least: f64::INFINITY, most: f64::NEG_INFINITY };
}

/// A finite number that is written so.
fn number(text: &str) -> Option<f64> {
    // Adding 0 makes 0 of −0.
    text.trim().parse::<f64>().ok().filter(|v| v.is_finite()).map(|v| v + 0.0)
}

/// The first levels, for a message.
fn listed(levels: &[String]) -> String {
    const MOST: usize = 12;
    let first = levels.iter().take(MOST).map(String::as_str).collect::<Vec<_>>().join(", ");
    if levels.len() > MOST { format!("{first}, … ({})", levels.len()) } else { first }
}

/// What the rows of data have of the column `name`, as it is written.
fn labels<'a>(data: &'a Dataset, name: &str) -> Result<&'a Labels> {
    let found = if name == LABEL { data.labels() } else { data.classes(name) };
    found.ok_or_else(|| {
        let message = match name {
            LABEL => {
                "the data have no labels: name the column or array that holds them with --label"
                    .to_owned()
            }
            _ => format!("the data have no column `{name}` of classes"),
        };
        Error::setting("condition", message)
    })
}

#[cfg(test)]
mod tests;

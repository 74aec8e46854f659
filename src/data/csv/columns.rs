//! What the columns of a table are called, and which of them are read.

use std::collections::HashSet;

use super::records::Record;
use crate::data::input::Input;
use crate::data::reader::{Expected, ReadOptions};
use crate::error::Result;

/// The columns of a file. They are found by name, or by number from 1 where they have no names.
pub(super) struct Heads<'a> {
    input: &'a Input,
    /// The first record, which holds the names or is a row.
    first: Record,
    named: bool,
    /// The columns, sorted by their names; none if they have none.
    order: Vec<usize>,
}

impl<'a> Heads<'a> {
    /// The columns of a file with this first record, which holds their names or is a row.
    ///
    /// # Errors
    /// If a name is not UTF-8.
    pub(super) fn new(input: &'a Input, first: Record, named: bool) -> Result<Self> {
        let width = if named { first.width() } else { 0 };
        let mut heads = Heads { input, first, named, order: Vec::new() };
        let odd = |j: &usize| std::str::from_utf8(heads.first.cell(*j)).is_err();
        if let Some(j) = (0..width).find(odd) {
            let line = heads.first.line();
            let message = format!("line {line}, column {}: the name {NOT_UTF8}", j + 1);
            return Err(input.error(message));
        }
        let mut order = (0..width).collect::<Vec<_>>();
        order.sort_unstable_by_key(|&j| (heads.name(j), j));
        heads.order = order;
        Ok(heads)
    }

    /// The first record.
    pub(super) fn first(&self) -> &Record {
        &self.first
    }

    /// Whether the first record holds names.
    pub(super) fn named(&self) -> bool {
        self.named
    }

    /// The name of column `j` (from 0), if columns have names.
    pub(super) fn name(&self, j: usize) -> Option<&str> {
        self.named.then(|| std::str::from_utf8(self.first.cell(j)).unwrap_or_default())
    }

    /// Column `j` (from 0) for a message, where columns are counted from 1.
    pub(super) fn title(&self, j: usize) -> String {
        match self.name(j) {
            None | Some("") => format!("column {}", j + 1),
            Some(name) => format!("column {} ({})", j + 1, shown(name)),
        }
    }

    /// All columns for a message.
    fn all(&self) -> String {
        let width = self.first.width();
        if self.named {
            return format!("the file has {}", list((0..width).filter_map(|j| self.name(j))));
        }
        format!(
            "the first line holds no names, so they are numbered from 1 to {width}; if it does, say \
             so with --header"
        )
    }

    /// A column, if it is there.
    fn find(&self, name: &str) -> Result<Option<usize>> {
        let name = name.trim();
        if !self.named {
            let number = name.parse::<usize>().ok();
            return Ok(number.filter(|n| (1..=self.first.width()).contains(n)).map(|n| n - 1));
        }
        let at = self.order.partition_point(|&j| self.name(j) < Some(name));
        let mut same = self.order[at..].iter().take_while(|&&j| self.name(j) == Some(name));
        match (same.next(), same.next()) {
            (Some(&first), Some(&second)) => Err(self.input.error(format!(
                "{} and column {} have the same name, or none: rename one, or name others with \
                 --columns",
                self.title(first),
                second + 1
            ))),
            (only, _) => Ok(only.copied()),
        }
    }

    /// All of these columns, in this order.
    fn find_all(&self, names: &[String], remedy: &str) -> Result<Vec<usize>> {
        let (mut columns, mut missing, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for name in names {
            match self.find(name)? {
                Some(j) if seen.insert(j) => columns.push(j),
                Some(j) => {
                    let message = format!("{} is asked for twice: name it once", self.title(j));
                    return Err(self.input.error(message));
                }
                None => missing.push(name.as_str()),
            }
        }
        if missing.is_empty() {
            return Ok(columns);
        }
        let (missing, all) = (list(missing.into_iter()), self.all());
        Err(self.input.error(format!("there is no column {missing}: {all}; {remedy}")))
    }

    /// All columns but some.
    fn all_but(&self, others: [Option<usize>; 2]) -> Result<Vec<usize>> {
        let columns = 0..self.first.width();
        // Names that occur twice are found, and refused.
        columns
            .clone()
            .filter_map(|j| self.name(j))
            .try_for_each(|name| self.find(name).map(|_| ()))?;
        Ok(columns.filter(|j| !others.contains(&Some(*j))).collect())
    }
}

/// The columns with values, in the order in which they are wanted, and that with labels; from 0.
///
/// # Errors
/// If a column is not there, or is not told from another, or none is left.
pub(super) fn choose(heads: &Heads, options: &ReadOptions) -> Result<(Vec<usize>, Option<usize>)> {
    let model = options.expected.as_ref();
    let models_label = match model.and_then(|model| model.label.as_ref()) {
        Some(name) => heads.find(name)?,
        None => None,
    };
    let label = match &options.label {
        Some(name) => {
            heads.find_all(std::slice::from_ref(name), "name one of them with --label")?.pop()
        }
        None => models_label,
    };
    let columns = match (&options.columns, model.and_then(|model| names_of(model, heads))) {
        (Some(names), _) => heads.find_all(names, "name some of them with --columns")?,
        (None, Some(names)) => heads.find_all(names, "the model needs the missing ones")?,
        (None, None) => heads.all_but([label, models_label])?,
    };
    let error = |message: String| Err(heads.input.error(message));
    match label {
        _ if columns.is_empty() => {
            error("no column is left for values: name some with --columns".to_owned())
        }
        Some(label) if columns.contains(&label) => error(format!(
            "{} holds the labels, which are no values: leave it out of --columns",
            heads.title(label)
        )),
        _ => Ok((columns, label)),
    }
}

/// The columns that a model needs, where columns have names.
fn names_of<'a>(model: &'a Expected, heads: &Heads) -> Option<&'a Vec<String>> {
    model.columns.as_ref().filter(|_| heads.named())
}

/// Names for a message, the first ones of many.
pub(super) fn list<'a>(mut names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 8;
    let mut first = names.by_ref().take(MOST).map(shown).collect::<Vec<_>>();
    first.extend(names.next().map(|_| "…".to_owned()));
    first.join(", ")
}

/// What is wrong with text in another encoding, and what to do.
pub(super) const NOT_UTF8: &str = "is not text in UTF-8: save the file in that encoding";

/// A text for a message: on one line, and the beginning of a long one.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 20;
    let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let start = text.chars().take(LONGEST).map(plain).collect::<String>();
    let more = if text.chars().nth(LONGEST).is_some() { "…" } else { "" };
    format!("`{start}{more}`")
}

//! Whether a table's first line holds the columns' names.
//!
//! It does if it has text and either no numbers, or text above a column of numbers. A line of whole
//! numbers may be names too, as pandas writes 0, 1, 2, … above columns without any, or as years are. It
//! is taken for them if
//!
//! - it counts on from its first number, over at least three columns, and of five rows or more below
//!   none does the same (if it counts from 0, one row is enough, and none may count from 0); or
//! - in every column it is unlike the numbers below: the only one without a decimal point, or far from
//!   the others' range.
//!
//! What was decided about numbers is told, and `--header` decides otherwise.

use super::columns::shown;
use super::numbers::{Form, is_missing, is_numeric, is_whole};
use super::records::Record;
use super::survey::{Cells, Survey, counts};
use crate::data::reader::ReadOptions;

/// Columns that a count must go over to be no coincidence.
const COUNTED: usize = 3;

/// Rows below the first line that must be unlike it.
const ROWS: usize = 5;

/// How far from the range of the numbers below a name is, in widths of the range.
const FAR: f64 = 10.0;

/// Whether the first record holds names, and what a user should know of the decision.
pub(super) fn decide(
    first: &Record,
    survey: &Survey,
    options: &ReadOptions,
) -> (bool, Option<String>) {
    let model = options.expected.as_ref();
    match options.header {
        Some(said) => return (said, None),
        None if model.is_some_and(|model| model.texts().is_some()) => return (true, None),
        None => {}
    }
    let cells = first.cells().map(|cell| std::str::from_utf8(cell).unwrap_or("\u{fffd}"));
    let cells = cells.collect::<Vec<_>>();
    if has_names(&cells, survey, options) {
        return (true, None);
    }
    // A model whose columns have no names was not shown a line of them.
    let nameless = model.is_some_and(|model| model.numbers().is_some());
    if nameless || survey.rows == 0 {
        return (false, None);
    }
    let count = counts(first);
    let unnamed = usize::from(cells[0].is_empty() && survey.numbers_the_rows());
    let names = &cells[unnamed..];
    let shown = list(names);
    let enough = count == Some(0) || survey.rows >= ROWS;
    if count.is_some() && enough && names.len() >= COUNTED && !survey.counts_again {
        let note = format!(
            "the first line ({shown}) counts the columns and is taken for their names; --header no \
             reads it as a row"
        );
        return (true, Some(note));
    }
    if is_unlike(names, &survey.columns[unnamed..], survey.rows) {
        let note = format!(
            "the first line ({shown}) is unlike the others and is taken for the columns' names; \
             --header no reads it as a row"
        );
        return (true, Some(note));
    }
    let note =
        format!("the first line ({shown}) is taken for a row; --header yes reads it as names");
    (false, Some(note).filter(|_| count == Some(0) && names.len() > 1))
}

/// Whether the line has text, and either no numbers, or text above numbers. Labels may look like
/// numbers or not, and tell nothing.
fn has_names(cells: &[&str], survey: &Survey, options: &ReadOptions) -> bool {
    let label = options.label.as_deref().and_then(|label| label.parse::<usize>().ok());
    let words = |column: &Cells| {
        Form::ALL.into_iter().find(|form| form.is_words() && column.forms.has(*form))
    };
    let is_name = |cell: &str, column: &Cells| {
        let is_value = column.any && words(column).is_some_and(|w| w.value(cell).is_some());
        !is_numeric(cell) && !is_missing(cell) && !is_value
    };
    let columns = || cells.iter().zip(&survey.columns).zip(1..);
    let above = |((cell, column), j): ((&&str, &Cells), usize)| {
        label != Some(j) && column.any && is_name(cell, column)
    };
    let no_number = !cells.iter().any(|cell| is_numeric(cell));
    no_number && columns().any(|((cell, column), _)| is_name(cell, column)) || columns().any(above)
}

/// Whether these whole numbers, all different, are in each column unlike the numbers below.
fn is_unlike(names: &[&str], columns: &[Cells], rows: usize) -> bool {
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let differ = sorted.len() == names.len() && names.iter().all(|name| is_whole(name));
    // One number alone is a name only where it is the one that pandas gives.
    let enough = names.len() > 1 || names == ["0"];
    let unlike = |(name, column): (&&str, &Cells)| {
        if !column.any {
            return true; // text
        }
        let (low, high) = column.range;
        let value = name.parse::<f64>().unwrap_or(f64::NAN);
        let distance = (low - value).max(value - high);
        let far = names.len() > 1 && high > low && distance > FAR * (high - low);
        !column.whole || far
    };
    differ && enough && rows >= ROWS && names.iter().zip(columns).all(unlike)
}

/// The first cells for a message.
fn list(cells: &[&str]) -> String {
    let more = if cells.len() > 4 { ", …" } else { "" };
    let first = cells.iter().take(4).map(|cell| shown(cell).replace('`', ""));
    first.collect::<Vec<_>>().join(", ") + more
}

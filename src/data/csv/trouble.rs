//! What a column's cells mean, or what is wrong with one of them and what to do.

use super::columns::{Heads, NOT_UTF8, shown};
use super::numbers::{Form, Forms, is_numeric};
use super::survey::{Kind, Survey, Trouble};
use crate::error::{Error, Result};

/// The form of each of these columns.
///
/// `needed` are columns of a model, which cannot be left out.
///
/// # Errors
/// If a column holds a cell that is no value, or could be one of two.
pub(super) fn forms(
    heads: &Heads,
    survey: &Survey,
    columns: &[usize],
    delimiter: u8,
    needed: bool,
) -> Result<Vec<Form>> {
    let all = columns.iter().map(|&j| (j, &survey.columns[j]));
    let broken = all.clone().filter(|(_, column)| column.trouble.is_some()).collect::<Vec<_>>();
    let troubles = broken.iter().filter_map(|(j, c)| c.trouble.as_deref().map(|t| (t.line, *j, t)));
    if let Some((_, j, trouble)) = troubles.min_by_key(|(line, j, _)| (*line, *j)) {
        let broken = broken.iter().map(|(j, _)| *j).collect::<Vec<_>>();
        let leave = match broken.len() == columns.len() {
            true => "use a table with columns of numbers".to_owned(),
            false => leave_out(heads, &broken, needed),
        };
        return Err(error(heads, j, trouble, &leave));
    }
    let written =
        all.map(|(j, column)| Written { j, forms: column.forms, doubtful: column.doubtful });
    decide(heads, &written.collect::<Vec<_>>(), delimiter)
}

/// How the numbers of column `j` may be written.
pub(super) struct Written {
    pub(super) j: usize,
    /// The forms that fit all cells.
    pub(super) forms: Forms,
    /// Whether all points are where separators of thousands could stand, and there are some.
    pub(super) doubtful: Option<bool>,
}

/// The form of each of these columns of numbers.
///
/// # Errors
/// If a column could be of two.
pub(super) fn decide(heads: &Heads, columns: &[Written], delimiter: u8) -> Result<Vec<Form>> {
    // One column can tell what commas mean in the others.
    let any = |form| columns.iter().any(|column| column.forms.are(&[form]));
    let (comma, thousands) = (any(Form::Comma), any(Form::Thousands));
    let form = |column: &Written| {
        let either = column.forms.are(&[Form::Comma, Form::Thousands]);
        let points = column.forms.has(Form::Plain) && column.doubtful == Some(true);
        match (comma, thousands) {
            _ if !(either || points && comma) => Ok(column.forms.first()),
            (true, false) if either => Ok(Form::Comma),
            (false, true) => Ok(Form::Thousands),
            (false, false) if delimiter == b',' => Ok(Form::Thousands),
            _ => Err(doubtful(heads, column.j, either)),
        }
    };
    columns.iter().map(form).collect()
}

/// The error of numbers that could be a thousand times as large.
fn doubtful(heads: &Heads, j: usize, comma: bool) -> Error {
    let (one, other, without) = match comma {
        true => ("1,234", "1.234", "decimal points and no separators of thousands"),
        false => ("1.234", "1.234", "decimal commas and no separators of thousands"),
    };
    heads.error(format!(
        "{}: a number such as {one} could be 1234 or {other}: write the column with {without}",
        heads.title(j)
    ))
}

/// How to do without the columns that cannot be read.
fn leave_out(heads: &Heads, broken: &[usize], needed: bool) -> String {
    let drop = format!("--drop {}", heads.handles(broken));
    match broken {
        _ if needed => format!("train another model with {drop}, as this one needs them"),
        [_] => format!("leave the column out with {drop}"),
        _ => format!("leave out this and others like it with {drop}"),
    }
}

/// The error of a cell in column `j`, which can be avoided as `leave` says.
fn error(heads: &Heads, j: usize, trouble: &Trouble, leave: &str) -> Error {
    let cell = String::from_utf8_lossy(&trouble.cell);
    let found = if cell.is_empty() { "the cell".to_owned() } else { shown(&cell) };
    let decimal = cell.contains(',') && cell.split(',').count() == 2 && is_numeric(&cell);
    let what = match trouble.kind {
        Kind::Missing if cell.is_empty() => {
            format!("is empty: fill it in, remove such rows, or {leave}")
        }
        Kind::Missing => {
            format!("is not a finite number: fill it in, remove such rows, or {leave}")
        }
        Kind::Word => {
            let label = format!("keep it as labels with --label {}", heads.handle(j));
            format!("is not a number: {leave}, or {label}")
        }
        Kind::Large => format!("is too large: divide the column by a power of ten, or {leave}"),
        Kind::Several => "is several numbers: save the table with commas, semicolons or tabs \
                          between them, or if single spaces are, say --delimiter space"
            .to_owned(),
        Kind::Mixed if decimal => {
            format!("is written with a comma, unlike others above it: write all alike, or {leave}")
        }
        Kind::Mixed => {
            format!("is not written like the cells above it: write all alike, or {leave}")
        }
        Kind::Encoding => NOT_UTF8.to_owned(),
    };
    let mut message = format!("line {}, {}: {found} {what}", trouble.line, heads.title(j));
    if !heads.named() && trouble.line == heads.first().line() {
        message += "; or if this line holds the columns' names, say --header yes";
    }
    heads.error(message)
}

//! `elbo columns`

use crate::Common;
use crate::run::whether;
use crate::terminal::two_columns;
use clap::Args;
use elbo::data::{Cells, ReadOptions, Source, Table, TableColumn};
use elbo::error::{Error, Result};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Say what a table's columns hold, before any training
#[derive(Args)]
#[command(after_help = "Examples:
  elbo columns adult.csv                                 as elbo train would understand it
  elbo columns adult.csv --kinds zip=class --missing -,unknown
  elbo columns adult.csv --json

The same flags mean the same to elbo train. Constant columns are not learned, and written again in samples; keys, which name
or number the rows, and text that is no class are left out. A number comes \"often\" where it has a probability of its own.")]
pub(crate) struct ColumnsArgs {
    #[command(flatten)]
    table: TableArgs,
}

/// A table, and how it is read.
#[derive(Args)]
pub(crate) struct TableArgs {
    /// The table, a CSV file, or `-` for standard input
    #[arg(value_name = "DATA")]
    data: String,
    /// The column that holds labels, which are not learned
    #[arg(long, value_name = "COLUMN")]
    label: Option<String>,
    /// Look at these columns only: names, numbers from 1, or ranges such as 2-5
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// Leave these columns out
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    drop: Option<Vec<String>>,
    /// Whether the first line holds names: auto, yes or no [default: auto]
    #[arg(long, value_name = "WHETHER", default_value = "auto")]
    header: String,
    /// What stands between the cells: a character, tab or space [default: found out]
    #[arg(long, value_name = "CHAR")]
    delimiter: Option<String>,
    /// Pass over lines that begin with this: a character, or none [default: #]
    #[arg(long, value_name = "CHAR")]
    comment: Option<String>,
    /// What stands in cells that are missing, beside nothing at all [default: NA, N/A, NaN, null, None, ? and -]
    #[arg(long, value_name = "A,B,…", value_delimiter = ',')]
    missing: Option<Vec<String>>,
    /// What columns hold: `NAME=number`, `=class`, `=date`, `=key` or `=text` [default: found out]
    #[arg(long, value_name = "A=KIND,…", value_delimiter = ',')]
    kinds: Vec<String>,
}

impl TableArgs {
    /// Opens the table.
    ///
    /// # Errors
    /// If it cannot be read so.
    pub(crate) fn open(&self) -> Result<Source> {
        let options = ReadOptions {
            label: self.label.clone(),
            columns: self.columns.clone(),
            drop: self.drop.clone(),
            header: whether("header", &self.header)?,
            delimiter: self.delimiter.clone(),
            comment: self.comment.clone(),
            mixed: true,
            missing: self.missing.clone(),
            // Said or not: a table of plain numbers is looked at, too.
            kinds: Some(kinds(&self.kinds)?),
            ..ReadOptions::default()
        };
        Source::open_with(&self.data, &options)
    }
}

/// `NAME=KIND`, of each of these.
///
/// # Errors
/// If one is none.
pub(crate) fn kinds(list: &[String]) -> Result<Vec<(String, String)>> {
    let pair = |text: &String| match text.rsplit_once('=') {
        Some((name, kind)) => Ok((name.trim().to_owned(), kind.trim().to_owned())),
        None => {
            Err(Error::setting("kinds", format!("`{text}` is not NAME=KIND, such as age=number")))
        }
    };
    list.iter().map(pair).collect()
}

pub(crate) fn columns(args: &ColumnsArgs, common: &Common) -> Result<ExitCode> {
    let source = args.table.open()?;
    let table = source.train.kinds().expect("what takes kinds has some");
    common.result(&to_json(table, source.train.rows()), &to_text(table, source.train.rows()))?;
    Ok(ExitCode::SUCCESS)
}

fn to_text(table: &Table, rows: usize) -> String {
    let about = |column: &TableColumn| {
        let missing = match column.missing {
            0.0 => String::new(),
            share => format!("; {:.2} % missing", 100.0 * share),
        };
        column.describe() + &missing
    };
    let lines: Vec<_> = table.columns.iter().map(|c| (c.name.as_str(), about(c))).collect();
    let learned = table.learned().count();
    format!(
        "{}\n{learned} of {} columns are learned, of {rows} rows",
        two_columns(&lines),
        lines.len()
    )
}

fn to_json(table: &Table, rows: usize) -> Value {
    let kind = |column: &TableColumn| match &column.cells {
        Cells::Number(_) => "number",
        Cells::Class { .. } => "class",
        Cells::Date { .. } => "date",
        Cells::Constant { .. } => "constant",
        Cells::Key => "key",
        Cells::Text => "text",
    };
    let column = |c: &TableColumn| {
        json!({
            "name": c.name,
            "kind": kind(c),
            "learned": c.is_learned(),
            "missing": c.missing,
            "about": c.cells,
        })
    };
    json!({"rows": rows, "columns": table.columns.iter().map(column).collect::<Vec<_>>()})
}

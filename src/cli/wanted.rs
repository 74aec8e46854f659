//! Rows of which something is wanted: `--where` and `--balance` of `elbo sample`.

use crate::Common;
use crate::output::value_names;
use crate::terminal::thousands;
use clap::Args;
use elbo::data::{Cells, Columns, Table, TableColumn};
use elbo::error::{Error, Result};
use elbo::evaluate::rows_where;
use elbo::model_file::Model;
use elbo::vae::Sampling;

/// What is wanted of new rows.
#[derive(Args)]
pub(crate) struct WantedArgs {
    /// Rows in which this holds: `COLUMN=VALUE`, or with <, <=, > or >=; once for each condition. They are chosen by
    /// importance resampling, which fails where too few are found
    #[arg(long = "where", value_name = "CONDITION")]
    conditions: Vec<String>,
    /// As many rows of each class of this column
    #[arg(long, value_name = "COLUMN")]
    balance: Option<String>,
}

/// Rows that are drawn to choose from, at most.
const MOST: usize = 1 << 20;

/// How a value is compared with a bound.
type Compared = fn(&f64, &f64) -> bool;

/// The signs of comparisons.
const SIGNS: [(&str, Compared); 4] =
    [("<=", f64::le), (">=", f64::ge), ("<", f64::lt), (">", f64::gt)];

/// A column that must hold a value, or lie beyond a bound.
struct Condition {
    /// Its place among the columns that a file shows.
    column: usize,
    /// How its value is compared with the bound; none, where it must be equal.
    compared: Option<Compared>,
    bound: f64,
    text: String,
}

impl WantedArgs {
    /// Whether anything is wanted.
    pub(crate) fn are_there(&self) -> bool {
        !self.conditions.is_empty() || self.balance.is_some()
    }

    /// `count` rows as they are wanted, `[count·D]` in their own units, and the values of the columns that were
    /// said, which are never missing.
    ///
    /// # Errors
    /// If there is no such column or value, or too few such rows are found.
    pub(crate) fn rows(
        &self,
        model: &Model<f32>,
        count: usize,
        sampling: &Sampling,
        common: &Common,
    ) -> Result<Vec<f64>> {
        let shown = Shown::of(model)?;
        let conditions = self.conditions.iter().map(|text| shown.condition(text));
        let conditions = conditions.collect::<Result<Vec<_>>>()?;
        let Some(balance) = &self.balance else {
            return shown.draw(model, &conditions, count, sampling, common);
        };
        let column = shown.place("--balance", balance)?;
        let levels = match shown.kinds.and_then(|kinds| kinds.learned().nth(column)) {
            Some(TableColumn { cells: Cells::Class { levels, .. }, .. }) => levels,
            _ => {
                let message = format!("the cells of `{balance}` are no classes");
                return Err(Error::setting("--balance", message));
            }
        };
        if conditions.iter().any(|condition| condition.column == column) {
            let message = format!("`{balance}` is chosen by --where already");
            return Err(Error::setting("--balance", message));
        }
        let mut of_each = Vec::new();
        for (i, level) in levels.iter().enumerate() {
            let of_level = count / levels.len() + usize::from(i < count % levels.len());
            let all = conditions.iter().map(|c| Condition { text: c.text.clone(), ..*c });
            let text = format!("{balance}={level}");
            let one = Condition { column, compared: None, bound: i as f64, text };
            let all: Vec<Condition> = all.chain([one]).collect();
            if of_level > 0 {
                // Each class has rows of its own to be chosen from.
                let first = sampling.first + (i * MOST) as u64;
                let sampling = Sampling { first, ..*sampling };
                of_each.push(shown.draw(model, &all, of_level, &sampling, common)?);
            }
        }
        // In turn, so that any part of the rows is balanced, too.
        let width = model.vae.width();
        let row = |i: usize| of_each[i % of_each.len()].chunks_exact(width).nth(i / of_each.len());
        Ok((0..count).filter_map(row).flatten().copied().collect())
    }

    /// The columns that were said, of those that a table learns.
    pub(crate) fn said(&self, model: &Model<f32>) -> Result<Vec<usize>> {
        let shown = Shown::of(model)?;
        let balance = self.balance.iter().map(|name| shown.place("--balance", name));
        let conditions = self.conditions.iter().map(|text| Ok(shown.condition(text)?.column));
        balance.chain(conditions).collect()
    }
}

/// What the columns are called that a model learned, as a file shows them.
pub(crate) fn learned_names(model: &Model<f32>) -> Vec<String> {
    match &model.header.kinds {
        Some(kinds) => kinds.learned().map(|column| column.name.clone()).collect(),
        None => value_names(model),
    }
}

/// The columns as a file shows them.
struct Shown<'m> {
    kinds: Option<&'m Table>,
    columns: Columns,
    names: Vec<String>,
}

impl<'m> Shown<'m> {
    fn of(model: &'m Model<f32>) -> Result<Self> {
        let (kinds, columns) = (model.header.kinds.as_ref(), model.header.columns()?);
        Ok(Shown { kinds, columns, names: learned_names(model) })
    }

    fn place(&self, flag: &str, name: &str) -> Result<usize> {
        let found = self.names.iter().position(|column| column == name.trim());
        found.ok_or_else(|| {
            let message = format!("no column that the model learned is called `{}`", name.trim());
            Error::setting(flag, message)
        })
    }

    /// `COLUMN=VALUE`, or a comparison. A name or a value may hold a sign itself: the shortest name that is a column's counts,
    /// and of two signs at one place the longer.
    fn condition(&self, text: &str) -> Result<Condition> {
        let signs = SIGNS.iter().map(|(sign, compared)| (*sign, Some(*compared)));
        let signs = signs.chain([("=", None)]);
        let parts = signs.flat_map(|(sign, compared)| {
            text.match_indices(sign)
                .map(move |(at, _)| (&text[..at], &text[at + sign.len()..], compared))
        });
        let mut parts: Vec<_> = parts.collect();
        parts.sort_by_key(|(name, value, _)| (name.len(), value.len()));
        let known = parts.iter().find(|(name, ..)| self.names.iter().any(|n| n == name.trim()));
        let Some((name, value, compared)) = known.or(parts.first()) else {
            let message = format!("`{text}` is no condition, such as city=Rome or age>60");
            return Err(Error::setting("--where", message));
        };
        let column = self.place("--where", name)?;
        let bound = self.value(column, value, compared.is_some())?;
        Ok(Condition { column, compared: *compared, bound, text: text.trim().to_owned() })
    }

    /// The value of a cell's text.
    fn value(&self, column: usize, text: &str, is_bound: bool) -> Result<f64> {
        let (text, name) = (text.trim(), &self.names[column]);
        let refuse = |message: String| Err(Error::setting("--where", message));
        let Some(of) = self.kinds.and_then(|kinds| kinds.learned().nth(column)) else {
            return match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(value),
                _ => refuse(format!("`{text}` is no number, as those of `{name}` are")),
            };
        };
        if is_bound && of.levels().is_some() {
            return refuse(format!("the classes of `{name}` have no order: say {name}=CLASS"));
        }
        match of.value(text) {
            Some(value) if value.is_nan() => refuse(format!("`{text}` is a missing cell")),
            Some(value) if is_bound => Ok(value),
            Some(value) if of.holds(value) && of.value(&of.text(value)) == Some(value) => Ok(value),
            _ => refuse(format!("`{text}` does not stand in `{name}`: {}", of.describe())),
        }
    }

    /// `[count·D]` rows in which all conditions hold.
    fn draw(
        &self,
        model: &Model<f32>,
        conditions: &[Condition],
        count: usize,
        sampling: &Sampling,
        common: &Common,
    ) -> Result<Vec<f64>> {
        let mut cells = vec![f64::NAN; self.names.len()];
        for condition in conditions.iter().filter(|condition| condition.compared.is_none()) {
            cells[condition.column] = condition.bound;
        }
        let fixed = self.kinds.map_or_else(|| cells.clone(), |kinds| kinds.expanded(&cells));
        let fits = |row: &[f64]| {
            let values = self.kinds.map(|kinds| kinds.contracted(row));
            let values = values.as_deref().unwrap_or(row);
            conditions.iter().all(|Condition { column, compared, bound, .. }| {
                compared.is_none_or(|compared| compared(&values[*column], bound))
            })
        };
        let Model { vae, params, .. } = model;
        let wanted = [count, MOST];
        let found = rows_where(vae, params, &self.columns, &fixed, &fits, wanted, sampling)?;
        let said = conditions.iter().map(|condition| condition.text.as_str());
        let said = said.collect::<Vec<_>>().join(", ");
        let [drawn, effective] = [found.drawn, found.effective as usize].map(thousands);
        if found.effective < count as f64 || found.rows.len() < count * vae.width() {
            let message = format!(
                "{said}: of {drawn} rows that were drawn only {effective} count (effective sample size), too few to choose \
                 {} from; ask for fewer rows, or for less of them",
                thousands(count)
            );
            return Err(Error::setting("--where", message));
        }
        common.remark(Some(&format!(
            "{said}: chosen of {drawn} rows, of which {effective} count (effective sample size)"
        )));
        Ok(found.rows)
    }
}

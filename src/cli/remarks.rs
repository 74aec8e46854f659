//! What a user should know of a table's columns before they are learned.

use crate::Common;
use elbo::data::Part;
use elbo::error::Result;
use elbo::family::Spec;

/// Says which columns are constant, and which are drowned by a single cell.
pub(crate) fn on_columns(part: &Part, likelihood: &Spec, common: &Common) -> Result<()> {
    if part.data().image().is_some() {
        return Ok(()); // a corner that is always black, a lone bright pixel: pictures are like that
    }
    constant(part, likelihood, common)?;
    lone_cells(part, common)
}

/// The name of a column, or its number from 1.
fn name(part: &Part, column: usize) -> String {
    let text = part.columns()[column].text();
    text.map_or_else(|| (column + 1).to_string(), |text| format!("`{text}`"))
}

fn and_more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}

/// A variance without a floor falls without end where a column is constant; with one, or without any
/// to learn, the column is harmless and useless.
fn constant(part: &Part, likelihood: &Spec, common: &Common) -> Result<()> {
    let constant = part.statistics()?.constant();
    let Some(first) = constant.first() else { return Ok(()) };
    let p = elbo::distribution::build::<f32>(likelihood)?;
    let consequence = if constant.iter().any(|column| p.facts(*column).learns_spread) {
        "its variance is learned towards 0 and its density grows without bound; leave it out, or keep the variance \
         away from 0 (--likelihood bounded-normal)"
    } else {
        "it teaches nothing and adds the same to every row's score; leave it out unless new rows may differ there"
    };
    common.remark(Some(&format!(
        "column {}{} has the same value in every training row: {consequence}",
        name(part, *first),
        and_more(constant.len() - 1)
    )));
    Ok(())
}

/// Where one cell is most of a column's variance, the others look alike once they are in its units.
fn lone_cells(part: &Part, common: &Common) -> Result<()> {
    let cells = part.lone_cells()?;
    let furthest = cells.iter().max_by(|a, b| a.spreads.total_cmp(&b.spreads));
    let Some(cell) = furthest else { return Ok(()) };
    common.remark(Some(&format!(
        "row {}, column {}{}: {} lies {:.0} spreads out and alone is {:.0} % of the column's variance, beside which \
         the column's other values look alike; if it is a mistake, correct it or leave the row out",
        cell.row + 1,
        name(part, cell.column),
        and_more(cells.len() - 1),
        cell.value,
        cell.spreads,
        100.0 * cell.share
    )));
    Ok(())
}

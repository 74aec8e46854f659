//! What the columns of a table are called, and which of them are read.

use std::collections::HashSet;

use super::records::Record;
use crate::data::Name;
use crate::data::input::Input;
use crate::data::reader::{Expected, ReadOptions};
use crate::error::{Error, Result};

/// The columns of a file. They are found by name, or by number from 1 where they have no names.
pub(super) struct Heads<'a> {
    input: &'a Input,
    /// The first record, which holds the names or is a row.
    first: Record,
    named: bool,
    /// The columns, sorted by their names; none if they have none.
    order: Vec<usize>,
    /// Columns that the user wants away.
    dropped: HashSet<usize>,
}

impl<'a> Heads<'a> {
    /// The columns of a file with this first record, which holds their names or is a row.
    ///
    /// # Errors
    /// If a name is not UTF-8.
    pub(super) fn new(input: &'a Input, first: Record, named: bool) -> Result<Self> {
        let width = if named { first.width() } else { 0 };
        let mut heads = Heads { input, first, named, order: Vec::new(), dropped: HashSet::new() };
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

    /// An error in the file.
    pub(super) fn error(&self, message: String) -> Error {
        self.input.error(message)
    }

    /// Whether the first record holds names.
    pub(super) fn named(&self) -> bool {
        self.named
    }

    /// The name of column `j` (from 0), if columns have names.
    pub(super) fn name(&self, j: usize) -> Option<&str> {
        self.named.then(|| std::str::from_utf8(self.first.cell(j)).unwrap_or_default())
    }

    /// What column `j` (from 0) is called by the dataset.
    pub(super) fn column_name(&self, j: usize) -> Name {
        self.name(j).map_or(Name::Number(j + 1), |name| Name::Text(name.to_owned()))
    }

    /// Column `j` (from 0) for a message, where columns are counted from 1.
    pub(super) fn title(&self, j: usize) -> String {
        match self.name(j) {
            None | Some("") => format!("column {}", j + 1),
            Some(name) => format!("column {} ({})", j + 1, shown(name)),
        }
    }

    /// Whether column `j` (from 0) is the one without a name among others with names, as row numbers
    /// are written by pandas and R, or as pandas names it when it reads that.
    pub(super) fn is_unnamed(&self, j: usize) -> bool {
        self.name(j).is_some_and(|name| name.is_empty() || name.starts_with("Unnamed: "))
    }

    /// The name of column `j` (from 0), or its number from 1.
    pub(super) fn called(&self, j: usize) -> String {
        let name = self.name(j).filter(|name| !name.is_empty());
        name.map_or_else(|| (j + 1).to_string(), str::to_owned)
    }

    /// All columns for a message.
    fn all(&self) -> String {
        let width = self.first.width();
        if self.named {
            return format!(
                "the file has {}",
                list(self.order_in_file().filter_map(|j| self.name(j)))
            );
        }
        format!(
            "the first line holds no names, so they are numbered from 1 to {width}; if it does, say \
             --header yes"
        )
    }

    /// The columns that can be found, in the order of the file.
    fn order_in_file(&self) -> impl Iterator<Item = usize> {
        (0..self.first.width()).filter(|&j| !self.dropped.contains(&j))
    }

    /// A column by its name.
    fn by_name(&self, name: &str) -> Result<Option<usize>> {
        let at = self.order.partition_point(|&j| self.name(j) < Some(name));
        let mut same = self.order[at..].iter().take_while(|&&j| self.name(j) == Some(name));
        match (same.next(), same.next()) {
            (Some(&first), Some(&second)) => Err(self.input.error(format!(
                "{} and column {} have the same name, or none: rename one, or leave one out with \
                 --drop {}",
                self.title(first),
                second + 1,
                second + 1
            ))),
            (only, _) => Ok(only.copied()),
        }
    }

    /// Whether a user who says this means column `j`.
    pub(super) fn is_called(&self, j: usize, text: &str) -> bool {
        matches!(self.find(text.trim()), Ok(Some(found)) if found == j)
    }

    /// A column by its number from 1.
    fn by_number(&self, text: &str) -> Option<usize> {
        let number = text.parse::<usize>().ok().filter(|n| (1..=self.first.width()).contains(n))?;
        Some(number - 1).filter(|j| !self.dropped.contains(j))
    }

    /// A column by name or number, if it is there. A name that looks like a number is a name.
    fn find(&self, text: &str) -> Result<Option<usize>> {
        Ok(self.by_name(text)?.or_else(|| self.by_number(text)))
    }

    /// The columns that this names: one by name or number, or those from one to another (`2-5`,
    /// `age-income`). A name with a dash in it is a name.
    fn find_some(&self, text: &str) -> Result<Vec<usize>> {
        let text = text.trim();
        if let Some(j) = self.find(text)? {
            return Ok(vec![j]);
        }
        for (at, _) in text.match_indices('-') {
            let ends = (self.find(text[..at].trim())?, self.find(text[at + 1..].trim())?);
            if let (Some(first), Some(last)) = ends {
                return Ok(self.order_in_file().filter(|j| (first..=last).contains(j)).collect());
            }
        }
        Ok(Vec::new())
    }

    /// All of these columns, in this order.
    fn find_all(&self, names: &[String], remedy: &str) -> Result<Vec<usize>> {
        let (mut columns, mut missing, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        for name in names {
            let found = self.find_some(name)?;
            if found.is_empty() {
                missing.push(name.as_str());
            }
            for j in found {
                if !seen.insert(j) {
                    let message = format!("{} is asked for twice: name it once", self.title(j));
                    return Err(self.input.error(message));
                }
                columns.push(j);
            }
        }
        self.nothing_missing(&missing, remedy).map(|()| columns)
    }

    /// The columns of these names, in this order.
    fn of_model(&self, names: &[&str]) -> Result<Vec<usize>> {
        let (mut columns, mut missing) = (Vec::new(), Vec::new());
        for &name in names {
            match self.by_name(name)? {
                Some(j) => columns.push(j),
                None => missing.push(name),
            }
        }
        self.nothing_missing(&missing, "the model needs the missing ones").map(|()| columns)
    }

    fn nothing_missing(&self, missing: &[&str], remedy: &str) -> Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        let (missing, all) = (list(missing.iter().copied()), self.all());
        Err(self.input.error(format!("there is no column {missing}: {all}; {remedy}")))
    }

    /// Takes these columns away: they are not found any more.
    fn drop(&mut self, names: &[String]) -> Result<()> {
        self.dropped = self.find_all(names, "name some of them with --drop")?.into_iter().collect();
        let dropped = &self.dropped;
        self.order.retain(|j| !dropped.contains(j));
        Ok(())
    }

    /// All columns but some.
    fn all_but(&self, others: &[Option<usize>]) -> Result<Vec<usize>> {
        let columns = || self.order_in_file().filter(|j| !others.contains(&Some(*j)));
        // Names that occur twice are found, and refused.
        columns()
            .filter_map(|j| self.name(j))
            .try_for_each(|name| self.by_name(name).map(|_| ()))?;
        Ok(columns().collect())
    }

    /// What to write for column `j` (from 0) on a command line: its name, or its number where the name
    /// would be taken apart or for another's number.
    pub(super) fn handle(&self, j: usize) -> String {
        let plain = |name: &&str| name.chars().all(|c| c.is_alphanumeric() || "_.".contains(c));
        let found = |name: &&str| self.by_name(name).is_ok_and(|found| found == Some(j));
        let name = self.name(j).filter(|name| !name.is_empty()).filter(plain).filter(found);
        name.map_or_else(|| (j + 1).to_string(), str::to_owned)
    }

    /// The same of several columns, in order, with ranges of numbers where those are many.
    pub(super) fn handles(&self, columns: &[usize]) -> String {
        const MOST: usize = 8;
        if columns.len() <= MOST {
            return columns.iter().map(|&j| self.handle(j)).collect::<Vec<_>>().join(",");
        }
        let runs = columns.chunk_by(|a, b| a + 1 == *b).map(|run| match *run {
            [only] => self.handle(only),
            _ => format!("{}-{}", run[0] + 1, run[run.len() - 1] + 1),
        });
        runs.collect::<Vec<_>>().join(",")
    }
}

/// The columns of a file that are read, from 0.
pub(in crate::data) struct Choice {
    /// Those with values, in the order in which they are wanted.
    pub(in crate::data) columns: Vec<usize>,
    /// That with labels.
    pub(in crate::data) label: Option<usize>,
    /// Those with classes.
    pub(in crate::data) classes: Vec<usize>,
    /// That which was left out because it numbers or names the rows.
    pub(in crate::data) index: Option<usize>,
}

/// Finds the columns. `index` is one that numbers or names the rows, which is read only if it is asked for.
///
/// # Errors
/// If a column is not there, or is not told from another, or none is left.
pub(super) fn choose(
    heads: &mut Heads,
    options: &ReadOptions,
    index: Option<usize>,
) -> Result<Choice> {
    heads.drop(options.drop.as_deref().unwrap_or_default())?;
    let model = options.expected.as_ref();
    let models_label = match model.and_then(|model| model.label.as_deref()) {
        Some(name) if heads.named => heads.by_name(name)?,
        Some(number) => heads.by_number(number),
        None => None,
    };
    let label = match &options.label {
        Some(name) => {
            let found = heads.find(name.trim())?;
            let missing = if found.is_none() { &[name.as_str()][..] } else { &[] };
            heads.nothing_missing(missing, "name one of them with --label")?;
            found
        }
        None => models_label,
    };
    let expected = model.map(|model| &model.classes[..]);
    let classes = match options.classes.as_deref().or(expected) {
        Some(names) => heads.find_all(names, "name columns of classes with --condition")?,
        None => Vec::new(),
    };
    let all_but = || {
        let others: Vec<_> = classes.iter().copied().map(Some).collect();
        heads.all_but(&[&[label, models_label, index], &others[..]].concat())
    };
    let columns = match (&options.columns, model) {
        (Some(names), _) => heads.find_all(names, "name some of them with --columns")?,
        (None, Some(Expected { kinds: Some(kinds), .. })) => heads
            .of_model(&kinds.learned().map(|column| column.name.as_str()).collect::<Vec<_>>())?,
        (None, Some(model)) => match model.texts().filter(|_| heads.named) {
            Some(names) => heads.of_model(&names)?,
            None => numbers_of(model, heads).map_or_else(all_but, Ok)?,
        },
        (None, None) => all_but()?,
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
        _ if classes.iter().any(|j| columns.contains(j)) => {
            let both = classes.iter().copied().find(|j| columns.contains(j)).unwrap_or(0);
            error(format!(
                "{} is a condition, which is given and not learned: leave it out of --columns",
                heads.title(both)
            ))
        }
        _ => {
            // Of what was chosen by name nobody need be told.
            let chosen = options.columns.is_some() || model.is_some();
            let here = |j: &usize| !columns.contains(j) && !heads.dropped.contains(j);
            let index =
                index.filter(|j| !chosen && label != Some(*j) && !classes.contains(j) && here(j));
            Ok(Choice { columns, label, classes, index })
        }
    }
}

/// The columns that a model learned of a table without names, if this has none either and they are all
/// there.
fn numbers_of(model: &Expected, heads: &Heads) -> Option<Vec<usize>> {
    let numbers = model.numbers().filter(|_| !heads.named)?;
    numbers.iter().map(|number| heads.by_number(&number.to_string())).collect()
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

//! What the rows of a dataset are called.

use std::collections::BTreeMap;

/// Different labels. Labels are the names of a few classes; a column with more names each row.
pub(super) const MOST_LABELS: usize = 10_000;

/// A label for each row: one of a few names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Labels {
    names: Vec<String>,
    of: Vec<u32>,
    column: Option<String>,
}

impl Labels {
    /// Labels by name. The names are in the order of their numbers if all are whole numbers, else in
    /// that of their letters.
    pub fn new<S: AsRef<str>>(labels: impl Iterator<Item = S> + Clone) -> Self {
        let mut places: BTreeMap<String, u32> = BTreeMap::new();
        for label in labels.clone() {
            if !places.contains_key(label.as_ref()) {
                places.insert(label.as_ref().to_owned(), 0);
            }
        }
        let mut names: Vec<String> = places.keys().cloned().collect();
        if names.iter().all(|n| n.parse::<i64>().is_ok()) {
            names.sort_by_key(|n| n.parse::<i64>().unwrap_or(0));
        }
        for (place, name) in names.iter().enumerate() {
            places.insert(name.clone(), place as u32);
        }
        let of = labels.map(|label| places[label.as_ref()]).collect();
        Labels { names, of, column: None }
    }

    /// The same labels, known to come from this column (its name, or its number from 1) or array.
    pub fn of_column(self, column: String) -> Self {
        Labels { column: Some(column), ..self }
    }

    /// Labels that are numbers already; the names are `0`, `1`, … up to the largest.
    pub fn from_bytes(labels: &[u8]) -> Self {
        let count = labels.iter().max().map_or(0, |&m| m as usize + 1);
        Labels {
            names: (0..count).map(|n| n.to_string()).collect(),
            of: labels.iter().map(|&l| l.into()).collect(),
            column: None,
        }
    }

    /// How many rows have one.
    pub fn rows(&self) -> usize {
        self.of.len()
    }

    /// The column or array that held them, by its name or its number from 1, if it was one.
    pub fn column(&self) -> Option<&str> {
        self.column.as_deref()
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The place of row `row`'s label among the names.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn index(&self, row: usize) -> usize {
        self.of[row] as usize
    }

    /// The label of row `row`.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn name(&self, row: usize) -> &str {
        &self.names[self.index(row)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_one_expects() {
        let labels = Labels::new(["10", "9", "10", "2"].iter());
        assert_eq!(labels.names(), ["2", "9", "10"]);
        assert_eq!([0, 1, 2, 3].map(|r| labels.name(r)), ["10", "9", "10", "2"]);
        let labels = Labels::new(["b", "10", "a"].iter());
        assert_eq!(labels.names(), ["10", "a", "b"]);
        assert_eq!(labels.index(0), 2);
        let labels = Labels::from_bytes(&[3, 0]);
        assert_eq!((labels.name(0), labels.names().len(), labels.rows()), ("3", 4, 2));
    }
}

//! What tells which row of the data a line of a table is about.

use elbo::data::{Dataset, Labels};

/// The columns of a join, in the order in which they are written; those with classes follow.
const COLUMNS: [&str; 3] = ["row", "label", "name"];

/// The first cells of each line: the row's number from 1, and where the data have them its label, its name and
/// its classes.
#[derive(Default)]
pub(crate) struct Join {
    columns: Vec<String>,
    lines: Vec<Vec<String>>,
}

impl Join {
    /// These columns, and their cells in each line.
    pub(crate) fn new(columns: Vec<String>, lines: Vec<Vec<String>>) -> Self {
        Join { columns, lines }
    }

    /// For these rows of the data, counted from 0.
    pub(crate) fn of(data: &Dataset, rows: &[usize]) -> Self {
        let has = [true, data.labels().is_some(), data.names().is_some()];
        let columns = COLUMNS.iter().zip(has).filter_map(|(name, has)| has.then_some(*name));
        let classes = data.all_classes();
        let columns = columns.chain(classes.iter().filter_map(Labels::column));
        let line = |&row: &usize| {
            let label = data.labels().map(|labels| labels.name(row).to_owned());
            let name = data.names().map(|names| names[row].clone());
            let classes = classes.iter().map(|classes| classes.name(row).to_owned());
            let first = [Some((row + 1).to_string()), label, name].into_iter().flatten();
            first.chain(classes).collect()
        };
        Join {
            columns: columns.map(str::to_owned).collect(),
            lines: rows.iter().map(line).collect(),
        }
    }

    /// What stands in a table of so many rows that was written with a join, maybe with columns of these
    /// classes; nothing if there is none.
    pub(crate) fn carried(table: &[u8], rows: usize, classes: &[&str]) -> Self {
        Join::read(table, classes).ok().filter(|join| join.lines.len() == rows).unwrap_or_default()
    }

    fn read(table: &[u8], classes: &[&str]) -> csv::Result<Self> {
        let mut reader = csv::Reader::from_reader(table);
        let header = reader.headers()?.clone();
        let classes = classes.iter().filter(|name| !COLUMNS.contains(name));
        let names = COLUMNS.iter().chain(classes);
        let places: Vec<_> =
            names.filter_map(|name| header.iter().position(|h| h == *name)).collect();
        let cells =
            |record: &csv::StringRecord| places.iter().map(|&j| record[j].to_owned()).collect();
        let lines =
            reader.records().map(|record| Ok(cells(&record?))).collect::<csv::Result<_>>()?;
        Ok(Join { columns: cells(&header), lines })
    }

    /// The place of the column `name`.
    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// A cell of line `i` (from 0); empty where there is none.
    pub(crate) fn cell(&self, i: usize, column: usize) -> String {
        self.lines.get(i).and_then(|line| line.get(column)).cloned().unwrap_or_default()
    }

    /// The names of all columns: its own before `others`, from which they differ.
    pub(crate) fn header(&self, others: &[String]) -> Vec<String> {
        let distinct = |name: &String| {
            let mut name = name.clone();
            while others.contains(&name) {
                name.push('_');
            }
            name
        };
        self.columns.iter().map(distinct).chain(others.iter().cloned()).collect()
    }

    /// The cells of line `i` (from 0) before the others; none without a join.
    pub(crate) fn line(&self, i: usize) -> Vec<String> {
        self.lines.get(i).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo::data::Values;

    #[test]
    fn a_line_begins_with_number_label_and_name() {
        let data = Dataset::new(Values::F64(vec![0.5; 3]), 1).unwrap();
        assert_eq!(Join::of(&data, &[2, 0]).header(&[]), ["row"]);
        let data = data.with_labels(Labels::new(["cat", "dog", "cat"].iter())).unwrap();
        let names = ["a.png", "b.png", "c,1.png"].map(str::to_owned).to_vec();
        let join = Join::of(&data.with_names(names).unwrap(), &[2, 0]);
        assert_eq!(join.header(&["label".to_owned()]), ["row", "label_", "name", "label"]);
        assert_eq!(join.line(0), ["3", "cat", "c,1.png"]);
        assert_eq!(join.line(1), ["1", "cat", "a.png"]);
    }

    fn own(cells: [&str; 2]) -> Vec<String> {
        cells.map(str::to_owned).to_vec()
    }

    #[test]
    fn a_join_is_carried_if_it_is_there() {
        let table = b"row,label,z1,std1\n3,\"a, b\",0.5,1\n7,c,1,1\n";
        let join = Join::carried(table, 2, &[]);
        assert_eq!(join.header(&[]), ["row", "label"]);
        assert_eq!((join.line(0), join.line(1)), (own(["3", "a, b"]), own(["7", "c"])));
        // Other lines than rows, and what is no such table, join nothing.
        for (table, rows) in [(&table[..], 3), (b"z1,z2\n1,2\n", 1), (b"\xff\n", 1), (b"", 0)] {
            assert!(Join::carried(table, rows, &[]).line(0).is_empty());
        }
    }
}

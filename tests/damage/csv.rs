//! Tables in text.

use crate::contract::{Growth, source};
use crate::damages::{damaged, gzip};
use elbo::data::{ReadOptions, Source, Values};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

const NAME: &str = "some.csv";

/// A table, and how it is written.
#[derive(Clone, Debug)]
struct Table {
    /// Rows of equal width.
    values: Vec<Vec<f64>>,
    /// A label for each row, in a column before the others.
    labels: Option<Vec<String>>,
    names: bool,
    delimiter: char,
    line_end: &'static str,
    /// Which cells stand between quotes: every so many, from here on.
    quotes: (usize, usize),
    /// What stands before the decimals.
    point: &'static str,
    /// After how many lines there is a comment.
    comments: usize,
}

impl Table {
    /// The names of the columns, that of the labels first if there are any. The delimiters are in
    /// them, and quotes.
    fn names(&self) -> Vec<String> {
        let labels = self.labels.iter().map(|_| "of, a; \"kind\"".to_owned());
        labels.chain((0..self.values[0].len()).map(|j| format!("x{j}\t|\"y\""))).collect()
    }

    fn text(&self) -> Vec<u8> {
        let mut cells = self.quotes.0;
        let mut cell = |text: String| {
            cells += 1;
            let needed = text.contains(['"', ',', ';', '\t', '|']);
            match needed || cells.is_multiple_of(self.quotes.1) {
                true => format!("\"{}\"", text.replace('"', "\"\"")),
                false => text,
            }
        };
        let mut lines = Vec::new();
        if self.names {
            lines.push(self.names().into_iter().map(&mut cell).collect::<Vec<_>>());
        }
        for (r, row) in self.values.iter().enumerate() {
            let label = self.labels.iter().map(|labels| labels[r].clone());
            let numbers =
                row.iter().map(|v| if r % 2 == 0 { v.to_string() } else { format!("{v:e}") });
            let numbers = numbers.map(|number| number.replace('.', self.point));
            lines.push(label.chain(numbers).map(&mut cell).collect());
        }
        let delimiter = self.delimiter.to_string();
        let lines = lines.into_iter().zip(1..).map(|(cells, i)| {
            let comment = format!("# \"1,2;3\t4|5{}", self.line_end);
            let comment = if self.comments.is_multiple_of(i) { &comment } else { "" };
            comment.to_owned() + &cells.join(&delimiter) + self.line_end
        });
        lines.collect::<String>().into_bytes()
    }

    fn options(&self) -> ReadOptions {
        let label = if self.names { &self.names()[0] } else { "1" };
        ReadOptions {
            label: self.labels.as_ref().map(|_| label.to_owned()),
            header: Some(self.names),
            ..ReadOptions::default()
        }
    }

    fn read(&self, bytes: &[u8]) -> Option<Source> {
        source(NAME, bytes, &self.options(), Growth::Csv)
    }
}

fn table() -> impl Strategy<Value = Table> + Clone {
    let value = prop_oneof![-9.0..9.0, any::<f64>().prop_filter("finite", |v| v.is_finite())];
    let shape = (1..5usize, 1..6usize);
    let contents = shape.prop_flat_map(move |(width, rows)| {
        (vec(vec(value.clone(), width), rows), of(vec("[a-cé,\"]{1,3}", rows)))
    });
    let marks = (select(vec![',', ';', '\t', '|']), select(vec![".", ","]));
    let line_end = select(vec!["\n", "\r\n"]);
    (contents, any::<bool>(), marks, line_end, (0..5usize, 1..5usize), 1..9usize).prop_map(
        |((values, labels), names, (delimiter, point), line_end, quotes, comments)| Table {
            values,
            labels,
            names,
            delimiter,
            line_end,
            quotes,
            point,
            comments,
        },
    )
}

proptest! {
    #![proptest_config(crate::cases(1000))]

    #[test]
    fn what_was_written_is_read(table in table()) {
        let data = table.read(&table.text()).expect("a sound table is read").train;
        let packed = table.read(&gzip(&table.text())).expect("a packed table is read").train;
        prop_assert_eq!(packed.fingerprint(), data.fingerprint());
        let bits = |values: &[f64]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        match data.values() {
            Values::F64(values) => prop_assert_eq!(bits(values), bits(&table.values.concat())),
            other => prop_assert!(false, "{:?}", other),
        }
        let names = table.names();
        let names = names[usize::from(table.labels.is_some())..].iter().map(String::as_str);
        prop_assert_eq!(data.columns().texts(), table.names.then(|| names.collect::<Vec<_>>()));
        let found = data.labels().map(|labels| {
            (0..labels.rows()).map(|r| labels.name(r).to_owned()).collect::<Vec<_>>()
        });
        prop_assert_eq!(found, table.labels);
    }

    #[test]
    fn damage_is_survived((table, bytes) in table().prop_flat_map(|table| {
        let text = table.text();
        (Just(table), damaged(Just(text)))
    })) {
        table.read(&bytes);
        source(NAME, &bytes, &ReadOptions::default(), Growth::Csv);
        source(NAME, &gzip(&bytes), &ReadOptions::default(), Growth::Csv);
    }
}

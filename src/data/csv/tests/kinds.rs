//! Tables of several kinds, and cells that are missing.

use super::*;
use crate::data::{Cells, Table, TableColumn};

fn mixed() -> ReadOptions {
    ReadOptions { mixed: true, ..ReadOptions::default() }
}

fn table(text: &str, options: &ReadOptions) -> Source {
    read(&input(text.as_bytes()).unwrap(), options).unwrap_or_else(|e| panic!("{e}"))
}

fn column<'t>(table: &'t Table, name: &str) -> &'t TableColumn {
    table.columns.iter().find(|column| column.name == name).expect(name)
}

/// Forty rows with every kind of column and every kind of missing cell.
fn everything() -> String {
    let mut text = "id,code,town,price,count,day,when,zero,same,note,won\n".to_owned();
    for i in 0..40 {
        let gap = ["", "NA", "?", "None", "null", "nan"][i % 6];
        let town = if i % 10 == 3 { gap } else { ["Rome", "Bonn", "Oslo"][i % 3] };
        let price = if i % 13 == 5 { gap.to_owned() } else { format!("{:.2}", i as f64 * 0.25) };
        let zero = if i % 5 == 0 { i * 1000 } else { 0 };
        let word = |k: usize| format!("w{}{}", (i * 7 + k) % 40, k);
        text += &format!(
            "{},c-{i},{town},{price},{},2024-02-{:02},2024-02-{:02}T{:02}:30:00,{zero},x,{} {},{}\n",
            i + 1,
            (i * i) % 50,
            i % 28 + 1,
            i % 28 + 1,
            i % 24,
            word(1),
            word(if i == 20 { 1 } else { i % 2 }),
            i % 4 == 0,
        );
    }
    text
}

#[test]
fn columns_are_what_their_cells_are() {
    let source = table(&everything(), &mixed());
    let kinds = source.train.kinds().unwrap();
    let about = |name: &str| column(kinds, name).describe();
    assert_eq!(about("id"), "key: names or numbers the rows, not learned");
    assert_eq!(about("code"), about("id"));
    assert_eq!(about("town"), "3 classes: Bonn, Oslo, Rome");
    assert_eq!(about("price"), "number of 2 decimals, 0.00 … 9.75, 40 steps");
    assert!(about("count").starts_with("integer, 0 … 49, 50 steps"), "{}", about("count"));
    assert_eq!(about("day"), "date (%Y-%m-%d), 2024-02-01 … 2024-02-28, 28 steps");
    assert!(about("when").starts_with("date (%Y-%m-%dT%H:%M:%S), 2024-02-01T00:30:00"));
    assert_eq!(about("zero"), "integer, 0 … 35000, 8 steps");
    assert_eq!(about("same"), "constant: x");
    assert_eq!(about("won"), "2 classes: false, true");
    assert!((column(kinds, "town").missing - 0.1).abs() < 1e-12);
    let notes = source.notes.join("; ");
    assert!(notes.contains("left out, for they name or number the rows: `id`, `code`"), "{notes}");
    assert!(notes.contains("constant, and not learned: `same`"), "{notes}");
}

/// What is written of the values is what was read, cell by cell: a missing one as most of them are.
#[test]
fn rows_are_written_as_they_were_read() {
    let text = everything();
    let source = table(&text, &mixed());
    let (data, kinds) = (&source.train, source.train.kinds().unwrap());
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let written: Vec<&str> = kinds.written().map(|column| &*column.name).collect();
    assert_eq!(written, names.iter().copied().filter(|n| written.contains(n)).collect::<Vec<_>>());
    for (row, line) in lines.enumerate() {
        let mut values = vec![0f64; data.width()];
        data.read(&mut values, row, None).unwrap();
        let cells: Vec<&str> = line.split(',').collect();
        for (name, again) in written.iter().zip(kinds.cells(&values)) {
            let cell = cells[names.iter().position(|n| n == name).unwrap()];
            let missing = ["", "NA", "?", "None", "null", "nan"].contains(&cell);
            let same = if missing { again == column(kinds, name).spelled } else { again == cell };
            assert!(same, "row {row}, {name}: `{cell}`, `{again}`");
        }
    }
}

/// A number that comes often is a class of its own, beside the number where it is none.
#[test]
fn atoms_have_a_place_of_their_own() {
    let row =
        |i: usize| if !i.is_multiple_of(4) { "0".to_owned() } else { format!("{}", 100 + i * i) };
    let text = (0..80).map(|i| format!("{},{}\n", row(i), ["a", "b"][i % 2])).collect::<String>();
    let source = table(&format!("gain,kind\n{text}"), &mixed());
    let (data, kinds) = (&source.train, source.train.kinds().unwrap());
    assert_eq!(data.columns().texts().unwrap(), ["gain (which)", "gain", "kind"]);
    assert!(
        kinds
            .likelihood(80)
            .starts_with("columns:1=(masked:of=bernoulli),2=(masked:of=(mixture:of=(")
    );
    let read = |row| {
        let mut values = vec![0f64; 3];
        data.read(&mut values, row, None).unwrap();
        values
    };
    assert!(read(1)[0] == 0.0 && read(1)[1].is_nan());
    assert_eq!(read(4), [1.0, 116.0, 0.0]);
    assert_eq!([read(1), read(4)].map(|row| kinds.contracted(&row)), [[0.0, 1.0], [116.0, 0.0]]);
    // What is drawn of the number does not matter where it is an atom; numbers stay in their range and on their steps.
    assert_eq!(kinds.cells(&[0.0, 7.0, 1.0]), ["0", "b"]);
    assert_eq!(kinds.cells(&[1.0, 1e9, 0.0]), ["5876", "a"]);
    assert_eq!(kinds.cells(&[f64::NAN, 5.0, 0.0])[0], "");
}

/// Few numbers far apart that come often each are classes: what is drawn is one of them.
#[test]
fn few_numbers_are_no_others() {
    let gains = ["0", "2174", "7298", "99999"];
    let text: String =
        (0..120).map(|i| format!("{},{}\n", gains[i % 4], ["a", "b"][i % 2])).collect();
    let source = table(&format!("gain,kind\n{text}"), &mixed());
    let kinds = source.train.kinds().unwrap();
    assert_eq!(source.train.columns().texts().unwrap(), ["gain", "kind"]);
    assert_eq!(kinds.columns[0].describe(), "integer, 0 … 99999, 4 different ones");
    assert_eq!(
        kinds.likelihood(120),
        "columns:1=(masked:of=(categorical:classes=4)),2-=(masked:of=bernoulli)"
    );
    assert_eq!(all::<f64>(&source.train)[..4], [0.0, 0.0, 1.0, 1.0]);
    assert_eq!(kinds.cells(&[2.0, 1.0]), ["7298", "b"]);
    assert_eq!(kinds.cells(&[f64::NAN, 1.0])[0], "");
    // Another number has no class, and its row no score.
    let expected = Expected { kinds: Some(kinds.clone()), ..Expected::default() };
    let options = ReadOptions { expected: Some(expected), ..ReadOptions::default() };
    let more = all::<f64>(&table("gain,kind\n7298,b\n5000,a\n,a\n", &options).train);
    assert!(more[..4] == [2.0, 1.0, 4.0, 0.0] && more[4].is_nan(), "{more:?}");
    assert!(kinds.row(&[("gain", 5000.0.into())]).is_err());
    assert!(kinds.contracted(&more[2..4])[0].is_nan(), "its class is no number");
    // Fewer rows, or neighbours, are numbers.
    for text in ["gain,kind\n0,a\n2174,b\n7298,b\n", "gain,kind\n0,a\n1,b\n2,b\n3,a\n"] {
        let source = table(text, &mixed());
        let Cells::Number(scale) = &source.train.kinds().unwrap().columns[0].cells else {
            panic!()
        };
        assert!(!scale.no_others);
    }
}

#[test]
fn a_model_reads_further_rows_as_the_first() {
    let first = table("x,y,z\n1,a,0.5\n2,b,?\n4,a,1.25\n3,b,2.5\n", &mixed());
    let kinds = first.train.kinds().unwrap().clone();
    let expected = Expected { kinds: Some(kinds), ..Expected::default() };
    let options = ReadOptions { expected: Some(expected), ..ReadOptions::default() };
    // Other columns, another order, a class that nobody knows.
    let more = table("z,new,y,x\n7,1,b,2\nNA,1,c,NA\n", &options);
    let mut values = vec![0f64; 3];
    more.train.read(&mut values, 0, None).unwrap();
    assert_eq!(values, [2.0, 1.0, 7.0]);
    more.train.read(&mut values, 1, None).unwrap();
    assert!(values[0].is_nan() && values[1] == -1.0 && values[2].is_nan());
    let error = read(&input(b"x,y,z\n1,a,often\n").unwrap(), &options).unwrap_err().to_string();
    assert!(error.contains("line 2, column 3 (`z`): `often` cannot be read"), "{error}");
}

#[test]
fn what_is_no_column_is_refused_or_said_otherwise() {
    let refused = |text: &str, options: &ReadOptions, part: &str| {
        let error = read(&input(text.as_bytes()).unwrap(), options).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    let slip = "a,b\n1,x\n2,y\noops,x\n3,y\n";
    refused(slip, &mixed(), "line 4, column 1 (`a`): `oops` is a word among numbers");
    let missing = ReadOptions { missing: Some(vec!["oops".to_owned()]), ..mixed() };
    assert_eq!(column(table(slip, &missing).train.kinds().unwrap(), "a").missing, 0.25);
    let kinds = |kinds: &[(&str, &str)]| ReadOptions {
        kinds: Some(kinds.iter().map(|(n, k)| ((*n).to_owned(), (*k).to_owned())).collect()),
        ..mixed()
    };
    let as_classes = table(slip, &kinds(&[("a", "class")]));
    assert_eq!(
        column(as_classes.train.kinds().unwrap(), "a").describe(),
        "4 classes: 1, 2, 3, oops"
    );
    refused(slip, &kinds(&[("a", "colour")]), "`colour` is unknown; known are number, class");
    refused(slip, &kinds(&[("c", "class")]), "no column that is read is called `c`");
    refused("a\nx\nx\n", &mixed(), "no column is left to learn");
    // Without leave, all columns are numbers.
    refused(slip, &ReadOptions::default(), "line 2, column 2 (`b`): `x` is not a number");
}

/// A text column of any length takes no more memory than so many texts.
#[test]
fn words_that_never_come_again_are_left_out() {
    let rows = (0..12_000).map(|i| format!("{},word {}\n", i % 7, i / 2));
    let text = format!("x,text\n{}", rows.collect::<String>());
    let source = table(&text, &mixed());
    assert_eq!(column(source.train.kinds().unwrap(), "text").cells, Cells::Text);
    assert!(source.notes.iter().any(|note| note.contains("text and no classes: `text`")));
    // Many rows of more than 256: the rarest are one class.
    let rows = (0..12_000).map(|i| format!("{},c{}\n", i % 7, i % 300));
    let source = table(&format!("x,c\n{}", rows.collect::<String>()), &mixed());
    let classes = column(source.train.kinds().unwrap(), "c").describe();
    assert!(classes.starts_with("256 classes: ") && classes.contains("45 rare ones"), "{classes}");
}

/// What commas mean is decided as in a table of numbers: by another column, or by the delimiter.
#[test]
fn commas_mean_what_they_mean_among_numbers() {
    let about = |text: &str, name: &str| {
        column(table(text, &mixed()).train.kinds().unwrap(), name).describe()
    };
    let thousands = "a,b\nx,\"1,234\"\ny,\"5,678\"\nx,\"9,012\"\n";
    assert_eq!(about(thousands, "b"), "integer, 1234 … 9012, 3890 steps");
    let comma = "a;b;c\nx;1,234;0,5\ny;5,678;1,25\n";
    assert!(about(comma, "b").starts_with("number of 3 decimals, 1,234 … 5,678"));
    let either = read(&input(b"a;b\nx;1,234\ny;5,678\n").unwrap(), &mixed()).unwrap_err();
    assert!(
        either.to_string().contains("a number such as 1,234 could be 1234 or 1.234"),
        "{either}"
    );
}

/// A date that is asked for is one; words for missing cells go with the model; and a format that is none of those
/// known, of a forged file, is no column.
#[test]
fn what_is_said_of_a_table_stays_with_it() {
    let kinds = |kind: &str| ReadOptions {
        kinds: Some(vec![("b".to_owned(), kind.to_owned())]),
        ..mixed()
    };
    let error = read(&input(b"a,b\n1,monday\n2,friday\n").unwrap(), &kinds("date")).unwrap_err();
    assert!(error.to_string().contains("no format of dates that is known"), "{error}");
    let dates = table("a,b\n1,2024-01-05\n2,2024-01-07\n", &kinds("date"));
    let mut forged = dates.train.kinds().unwrap().clone();
    assert!(forged.check().is_ok() && forged.columns[1].describe().starts_with("date"));
    forged.columns[1].cells = match forged.columns[1].cells.clone() {
        Cells::Date { scale, .. } => Cells::Date { format: "%Q".to_owned(), scale },
        other => other,
    };
    assert!(forged.check().is_err());

    let said = ReadOptions { missing: Some(vec!["gone".to_owned()]), ..mixed() };
    let known = table("a,b\n1,x\ngone,y\n3,x\n", &said).train.kinds().unwrap().clone();
    let expected = Expected { kinds: Some(known), ..Expected::default() };
    let options = ReadOptions { expected: Some(expected), ..ReadOptions::default() };
    let mut values = vec![0f64; 2];
    table("a,b\ngone,y\n", &options).train.read(&mut values, 0, None).unwrap();
    assert!(values[0].is_nan() && values[1] == 1.0);
}

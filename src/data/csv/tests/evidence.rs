//! What a file itself tells: delimiter, comments, names, row numbers, and how values are written.

use super::*;

/// The values of a table that is read, and the notes.
#[track_caller]
fn values(text: &str, options: &ReadOptions) -> (Vec<f64>, Vec<String>) {
    let source = parsed(text, options).unwrap();
    (all::<f64>(&source.train), source.notes)
}

/// The names that are found in a file, and the notes.
#[track_caller]
fn names(text: &str) -> (Option<Vec<String>>, Vec<String>) {
    let source = parsed(text, &ReadOptions::default()).unwrap();
    (source.train.columns().texts().map(|names| strings(&names)), source.notes)
}

fn drop(names: &[&str]) -> ReadOptions {
    ReadOptions { drop: Some(strings(names)), ..ReadOptions::default() }
}

/// A header, and rows of so many numbers that `row` makes.
fn rows(header: &str, count: usize, row: impl Fn(usize) -> String) -> String {
    (0..count).fold(format!("{header}\n"), |text, i| text + &row(i) + "\n")
}

#[test]
fn delimiters_are_those_that_the_records_agree_on() {
    let none = ReadOptions::default();
    assert_eq!(values("a|b|c\n1|2|3\n4|5|6\n", &none).0, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    // A weaker or stronger one in a name or in one row tells nothing.
    assert_eq!(values("a;b,c\n1;2\n3;4\n", &none).0, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(values("a,b;c\n1,2\n3,4\n", &none).0, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(parsed("k,x\n\"a;b\",1\n\"c;d\",2\n", &label("k")).unwrap().train.width(), 1);
    assert_eq!(parsed("x;k\n1;\"a,b\"\n2;\"c,d\"\n", &label("k")).unwrap().train.width(), 1);
    assert_eq!(values("# a;b;c\n1,2\n3,4\n", &none).0, [1.0, 2.0, 3.0, 4.0]);
    // Said, it is not looked for.
    let said = |text: &str| ReadOptions { delimiter: Some(text.to_owned()), ..none.clone() };
    assert_eq!(values("1 2\n3 4\n", &said("space")).0, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(values("1:2\n3:4\n", &said(":")).0, [1.0, 2.0, 3.0, 4.0]);
    assert_eq!(values("1\t2\n3\t4\n", &said("tab")).0, [1.0, 2.0, 3.0, 4.0]);
    for wrong in ["", "x", "1", ".", "::", "\"", "é", "#"] {
        let outcome = parsed("1,2\n", &said(wrong));
        assert!(matches!(outcome, Err(Error::Setting { ref name, .. }) if name == "delimiter"));
    }
}

#[test]
fn comments_are_left_out_and_counted() {
    let none = ReadOptions::default();
    let comment = |mark: &str| ReadOptions { comment: Some(mark.to_owned()), ..none.clone() };
    let (found, notes) = values("# one\na,b\n1,2\n#\n# 9,9\r\n3,4\n#", &none);
    assert_eq!(found, [1.0, 2.0, 3.0, 4.0]);
    assert!(notes[0].starts_with("4 lines that begin with `#` are left out"), "{notes:?}");
    let (_, notes) = values("\u{feff}#\n\n1,2\n", &none);
    assert!(notes[0].starts_with("1 line that begins with `#` is left out"), "{notes:?}");
    assert_eq!(values("% x\n1,2\n", &comment("%")).0, [1.0, 2.0]);
    // In a cell or between quotes it is none.
    let data = parsed("x,k\n1,#a\n2,\"b\n#c\"\n", &label("k")).unwrap().train;
    assert_eq!(data.labels().unwrap().names(), ["#a", "b\n#c"]);
    let data =
        parsed("k,x\n#a,1\nb,2\n", &ReadOptions { label: label("k").label, ..comment("none") });
    assert_eq!(data.unwrap().train.rows(), 2);
    refused("# a\n#b", &none, "if they are rows, say --comment none");
    refused("#x\na,b\n1,x\n", &none, "line 3, column 2 (`b`): `x`");
    assert!(
        matches!(parsed("1,2\n", &comment("no")), Err(Error::Setting { ref name, .. }) if name == "comment")
    );
}

#[test]
fn names_that_are_numbers_are_told_from_rows() {
    let pandas = |i: usize| format!("{},{},{}", 0.1 * i as f64 - 1.05, 7.5, -0.25 * i as f64 - 0.1);
    let (found, notes) = names(&rows("0,1,2", 3, pandas));
    assert_eq!(found, Some(strings(&["0", "1", "2"])));
    assert!(notes[0].contains("(0, 1, 2) counts the columns") && notes[0].contains("--header no"));
    assert_eq!(parsed(&rows("0,1,2", 3, pandas), &header(false)).unwrap().train.rows(), 4);
    // Whole numbers, years, row numbers, labels.
    assert!(names("0,1,2,3\n5,7,1,9\n4,4,2,8\n").0.is_some());
    assert!(
        names(&rows("2018,2019,2020", 6, |i| format!("{},{},{}", 100 * i, 70 * i, 5000)))
            .0
            .is_some()
    );
    let two = names(&rows("2019,2020", 6, |i| format!("{},{}.5", i, i)));
    assert_eq!(two.0, Some(strings(&["2019", "2020"])));
    assert!(two.1[0].contains("unlike the others"), "{:?}", two.1);
    assert_eq!(
        names(&rows(",0,1,2", 3, |i| format!("{i},{}", pandas(i)))).0,
        Some(strings(&["0", "1", "2"]))
    );
    assert_eq!(names(&rows("0", 6, |i| format!("{i}.5"))).0, Some(strings(&["0"])));
    assert!(
        parsed("0,1,2\n1.5,2.5,x\n3.5,1.5,y\n", &label("2"))
            .unwrap()
            .train
            .columns()
            .texts()
            .is_some()
    );
}

#[test]
fn rows_of_numbers_are_not_taken_for_names() {
    for text in [
        rows("1,2,3", 9, |i| format!("{},{},{}", i, i + 1, i + 2)), // others count too
        "1,2,3\n4,4,6\n7,9,9\n".to_owned(),                         // two rows to compare with
        "0,1,2\n0,1,2\n1,0,2\n".to_owned(),                         // others count from 0 too
        "5,6,8\n1.5,2.5,3.5\n".to_owned(),                          // one row to compare with
        rows("5", 9, |i| format!("{i}.5")),                         // one number, as R writes 5.0
        rows("8,9", 9, |i| format!("{i}.5,{i}")),                   // near the others' range
        rows("3,3", 9, |i| format!("{i}.5,{i}.5")),                 // names differ
        rows("0.5,1.5,2.5", 9, |i| format!("{i},{i},{i}")),         // names are whole
        rows("900,800", 9, |i| format!("{},{}", 500 - i, 100 * i)), // not far in every column
    ] {
        assert_eq!(names(&text).0, None, "{text}");
    }
    let (found, notes) = names("0,1\n1,0\n1,1\n0,0\n");
    assert!(found.is_none() && notes[0].contains("--header yes reads it as names"), "{notes:?}");
    // A model without names has seen no line of them.
    let model = Expected { columns: Some(named(&[1, 2, 3])), ..Expected::default() };
    let model = ReadOptions { expected: Some(model), ..ReadOptions::default() };
    assert_eq!(parsed("0,1,2\n5.5,6.5,7.5\n", &model).unwrap().train.rows(), 2);
    assert_eq!(parsed("a,b,c\n5.5,6.5,7.5\n", &model).unwrap().train.rows(), 1);
}

#[test]
fn a_column_that_numbers_the_rows_is_left_out() {
    for text in [
        ",a,b\n0,5,1\n1,6,2\n",
        "\"\",\"a\",\"b\"\n\"1\",5,1\n\"2\",6,2\n",
        "Unnamed: 0,a,b\n3,5,1\n7,6,2\n", // rows that were taken out leave gaps
    ] {
        let (found, notes) = names(text);
        assert_eq!(found, Some(strings(&["a", "b"])), "{text}");
        assert!(notes[0].starts_with("column 1") && notes[0].contains("numbers or names the rows"));
        // What the note advises.
        let named = text
            .replacen(",a", "id,a", 1)
            .replacen("\"\",", "id,", 1)
            .replace("Unnamed: 0id", "id");
        assert_eq!(names(&named).0, Some(strings(&[&named[..named.find(',').unwrap()], "a", "b"])));
        assert_eq!(parsed(text, &columns(&["1", "a"])).unwrap().train.width(), 2);
    }
    let text = "\"\",a\nMazda RX4,5\nFiat,6\n"; // as R writes them
    assert_eq!(names(text).0, Some(strings(&["a"])));
    assert_eq!(
        parsed(text, &label("1")).unwrap().train.labels().unwrap().names(),
        ["Fiat", "Mazda RX4"]
    );
    // One that numbers nothing is learned, with a note whose advice works.
    let source = parsed(",x\n5,5\n1,6\n", &ReadOptions::default()).unwrap();
    assert_eq!(source.train.width(), 2);
    assert!(source.notes[0].contains("leave it out with --drop 1"), "{:?}", source.notes);
    assert_eq!(parsed(",x\n5,5\n1,6\n", &drop(&["1"])).unwrap().train.width(), 1);
    assert_eq!(parsed("0,5\n1,6\n", &ReadOptions::default()).unwrap().notes, [""; 0]);
    assert_eq!(parsed("id,x\n0,5\n1,6\n", &ReadOptions::default()).unwrap().train.width(), 2);
}

#[test]
fn columns_are_named_numbered_or_ranged() {
    let text = "a,b-c,d,2,e\n1,2,3,4,5\n";
    let taken = |names: &[&str]| values(text, &columns(names)).0;
    assert_eq!(taken(&["b-c"]), [2.0]); // a name with a dash
    assert_eq!(taken(&["2"]), [4.0]); // a name that looks like a number
    assert_eq!(taken(&["3", "1"]), [3.0, 1.0]);
    assert_eq!(taken(&["d-e", "a"]), [3.0, 4.0, 5.0, 1.0]);
    assert_eq!(taken(&["a-b-c", "5"]), [1.0, 2.0, 5.0]);
    assert_eq!(taken(&["3 - 5"]), [3.0, 4.0, 5.0]);
    assert_eq!(values(text, &drop(&["a-d", "5"])).0, [4.0]);
    let both = ReadOptions { drop: Some(strings(&["d"])), ..columns(&["a-e"]) };
    assert_eq!(values(text, &both).0, [1.0, 2.0, 4.0, 5.0]);
    assert_eq!(parsed(text, &label("5")).unwrap().train.labels().unwrap().names(), ["5"]);
    refused(text, &columns(&["a-x"]), "no column `a-x`");
    refused(text, &columns(&["5-3"]), "no column `5-3`");
    refused(text, &columns(&["a", "1-3"]), "column 1 (`a`) is asked for twice");
    refused(text, &ReadOptions { drop: Some(strings(&["a"])), ..columns(&["a"]) }, "no column `a`");
    refused(text, &drop(&["1-5"]), "no column is left");
    // Of two with one name, one may go.
    refused("a,b,a\n1,2,3\n", &ReadOptions::default(), "leave one out with --drop 3");
    assert_eq!(values("a,b,a\n1,2,3\n", &drop(&["3"])).0, [1.0, 2.0]);
}

#[test]
fn a_model_finds_the_columns_that_it_learned() {
    let nameless = |numbers: &[usize], comment| {
        let (columns, table) = (Some(named(numbers)), Some(TableLayout { comment }));
        let model = Expected { columns, table, ..Expected::default() };
        ReadOptions { expected: Some(model), ..ReadOptions::default() }
    };
    let text = "1,2,3\n4,5,7\n";
    assert_eq!(values(text, &nameless(&[3, 1], None)).0, [3.0, 1.0, 7.0, 4.0]);
    assert_eq!(values(text, &nameless(&[0, 5], None)).0.len(), 6); // they are not there: all
    assert_eq!(parsed("#,1\n", &nameless(&[2], None)).unwrap().train.rows(), 1);
    let data = parsed("x,k\n1,a\n", &label("2")).unwrap().train;
    let label = data.labels().unwrap().column();
    assert_eq!((data.columns().texts(), label), (Some(vec!["x"]), Some("k")));
    let data = parsed("1,2,3\n4,5,7\n", &columns(&["3", "1"])).unwrap().train;
    assert_eq!(data.columns().numbers(), Some(vec![3, 1]));
}

#[test]
fn commas_are_decimal_or_set_thousands_apart_where_that_is_plain() {
    let none = ReadOptions::default();
    let (found, notes) = values("a;b\n1,5;2\n-0,25;1.000,5\n", &none);
    assert_eq!(found, [1.5, 2.0, -0.25, 1000.5]);
    assert!(notes[0].starts_with("columns `a`, `b`: commas are read as decimal"), "{notes:?}");
    assert_eq!(values("1,5;2,5\n3,0;1,0\n", &none).0, [1.5, 2.5, 3.0, 1.0]);
    let (found, notes) = values("a,b\n\"1,234.5\",2\n\"2,000\",3\n\"-3,100\",4\n", &none);
    assert_eq!(found, [1234.5, 2.0, 2000.0, 3.0, -3100.0, 4.0]);
    assert!(notes[0].starts_with("column `a`: commas are read as separators"), "{notes:?}");
    // Another column tells what these are.
    assert_eq!(values("a;b\n1,234;0,5\n", &none).0, [1.234, 0.5]);
    assert_eq!(values("a;b\n1,234;1,234.5\n", &none).0, [1234.0, 1234.5]);
    assert_eq!(values("a,b\n\"1,234\",5\n", &none).0, [1234.0, 5.0]);
    refused(
        "a;b\n1,234;5\n",
        &none,
        "column 1 (`a`): a number such as 1,234 could be 1234 or 1.234",
    );
    refused("a;b\n1.234;0,5\n", &none, "column 1 (`a`): a number such as 1.234 could be 1234");
    assert_eq!(values("a;b\n1.5;0,5\n", &none).0, [1.5, 0.5]);
    refused("x;y\n1.5;2\n1,5;2\n", &none, "line 3, column 1 (`x`): `1,5` is written with a comma");
}

#[test]
fn words_are_one_and_zero_where_a_column_has_no_others() {
    let none = ReadOptions::default();
    let (found, notes) = values("a,b\nTrue,2\nFALSE,4\n", &none);
    assert_eq!(found, [1.0, 2.0, 0.0, 4.0]);
    assert_eq!(notes, ["column `a`: true is read as 1, false as 0"]);
    assert_eq!(values("true,no\nfalse,Yes\n", &none).0, [1.0, 0.0, 0.0, 1.0]);
    let (found, notes) = values("a;b\nWAHR;nein\nFalsch;Ja\n", &none);
    assert_eq!(found, [1.0, 0.0, 0.0, 1.0]);
    let german = ["`a`: wahr is read as 1, falsch as 0", "`b`: ja is read as 1, nein as 0"];
    assert_eq!(notes, german.map(|note| format!("column {note}")));
    refused("a,b\nwahr,2\ntrue,4\n", &none, "line 3, column 1 (`a`): `true` is not written like");
    refused("a,b\nTrue,2\n1,4\n", &none, "line 3, column 1 (`a`): `1` is not written like the");
    refused("a,b\nyes,2\nmaybe,4\n", &none, "line 3, column 1 (`a`): `maybe` is not a number");
    refused("a,b\nyes,2\ntrue,4\n", &none, "line 3, column 1 (`a`): `true` is not written like");
}

#[test]
fn a_remedy_names_all_columns_that_are_no_numbers() {
    let text = "x,one,y,the two\n1,a,2,b\n3,c,4,d\n";
    let none = ReadOptions::default();
    refused(
        text,
        &none,
        "line 2, column 2 (`one`): `a` is not a number: leave out this and others",
    );
    refused(text, &none, "like it with --drop one,4, or keep it as labels with --label one");
    assert_eq!(values(text, &drop(&["one", "4"])).0, [1.0, 2.0, 3.0, 4.0]);
    let wide = |cell: &str, end: &str| {
        (0..10).map(|j| format!("{cell}{j}")).collect::<Vec<_>>().join(",") + end
    };
    refused(&format!("{},x\n{},1\n", wide("n", ""), wide("w", "")), &none, "--drop 1-10, or");
    refused("name,class\nx,y\n", &none, "use a table with columns of numbers");
    // Where a number is another column's name, the name is given.
    refused("x,2\n1,a\n", &none, "--drop 2, or");
    assert_eq!(values("x,2\n1,a\n", &drop(&["2"])).0, [1.0]);
}

#[test]
fn a_rows_line_is_known_where_rows_and_lines_run_in_step() {
    let line = |text: &str| {
        let data = parsed(text, &ReadOptions::default()).unwrap().train;
        let message = data.bad_value(1, 0, 9.0, "no").to_string();
        message.split_once(" in line ").map(|(_, rest)| rest.split(' ').next().unwrap().to_owned())
    };
    assert_eq!(line("# c\n\na\n1\n2\n").as_deref(), Some("5"));
    assert_eq!(line("1\n2\n3\n").as_deref(), Some("2"));
    assert_eq!(line("a\n1\n\n2\n"), None);
    assert_eq!(line("1\n\n2\n3\n"), None);
    assert_eq!(line("a,b\n1,\"2\n\"\n3,4\n"), None);
}

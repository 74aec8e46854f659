//! Whole files, written line by line.

mod evidence;
mod kinds;

use std::fmt::Write;

use super::super::input::testing::{assert_refused, input};
use super::super::reader::Expected;
use super::super::testing::all;
use super::super::{ColumnKind, Columns, Name};
use super::*;

fn parsed(text: &str, options: &ReadOptions) -> Result<Source> {
    read(&input(text.as_bytes())?, options)
}

/// A table that is read as it is.
#[track_caller]
fn table(text: &str) -> Dataset {
    parsed(text, &ReadOptions::default()).unwrap().train
}

#[track_caller]
fn refused(text: &str, options: &ReadOptions, expected: &str) {
    assert_refused(parsed(text, options), expected);
}

fn strings(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn label(name: &str) -> ReadOptions {
    ReadOptions { label: Some(name.to_owned()), ..ReadOptions::default() }
}

fn columns(names: &[&str]) -> ReadOptions {
    ReadOptions { columns: Some(strings(names)), ..ReadOptions::default() }
}

fn header(header: bool) -> ReadOptions {
    ReadOptions { header: Some(header), ..ReadOptions::default() }
}

/// Columns of these names.
fn named<N: Into<Name> + Clone>(names: &[N]) -> Columns {
    Columns::alike(names.len(), ColumnKind::Number).with_names(names.to_vec()).unwrap()
}

/// The options for data of a model with these columns.
fn expected(columns: Option<&[&str]>, label: Option<&str>) -> ReadOptions {
    let expected = Expected {
        columns: columns.map(|names| named(&strings(names))),
        label: label.map(str::to_owned),
        ..Expected::default()
    };
    ReadOptions { expected: Some(expected), ..ReadOptions::default() }
}

#[test]
fn delimiters_quotes_and_line_ends_are_read_alike() {
    for text in [
        "x,y\n1,2.5\n-3e2,+.5\n",
        "x,y\n1,2.5\n-3e2,+.5",
        "x;y\n1;2.5\n-3e2;+.5\n",
        "x\ty\r\n1\t2.5\r\n-3e2\t+.5\r\n",
        "x,y\r1,2.5\r-3e2,+.5\r",
        "\u{feff}x,y\n1,2.5\n-3e2,+.5\n",
        "\u{feff}\"x\";\"y\"\n1;2.5\n-3e2;+.5\n",
        "\n \n\r\n\t\nx , y\n\n 1 ,\t2.5\n   \n-3e2,+.5\n\n",
        "\"x\",\"y\"\n\"1\",2.5\n\"-3e2\",\" +.5 \"\n",
    ] {
        let data = table(text);
        assert_eq!(data.columns().texts().unwrap(), ["x", "y"], "{text:?}");
        assert_eq!(all::<f64>(&data), [1.0, 2.5, -300.0, 0.5], "{text:?}");
        assert!(data.image().is_none() && data.labels().is_none());
    }
}

#[test]
fn the_delimiter_is_looked_for_outside_quotes() {
    let data = table("\"a,b\";\"c\"\"\t,\";d\n1;2;3\n");
    assert_eq!(data.columns().texts().unwrap(), ["a,b", "c\"\t,", "d"]);
    assert_eq!(table("\"two\nlines\",b\n1,2\n").columns().texts().unwrap(), ["two\nlines", "b"]);
    assert_eq!(
        table("5\" disk,7\" disk\n1,2\n").columns().texts().unwrap(),
        ["5\" disk", "7\" disk"]
    );
}

#[test]
fn doubles_are_the_nearest() {
    let data = table("0.1,1e-300,9007199254740993,1e308\n");
    assert_eq!(all::<f64>(&data), [0.1, 1e-300, 9007199254740992.0, 1e308]);
}

#[test]
fn a_header_is_found_out_or_said() {
    let found = |text: &str, options: &ReadOptions| {
        let data = parsed(text, options).unwrap().train;
        data.columns().texts().map(|names| strings(&names))
    };
    let none = ReadOptions::default();
    assert_eq!(found("a,b\n1,2\n", &none), Some(strings(&["a", "b"])));
    assert_eq!(found("1,2\n3,4\n", &none), None);
    assert_eq!(found("1,x\n3,4\n", &none), Some(strings(&["1", "x"])));
    assert_eq!(found(",x\n3,4\n", &none), Some(strings(&["", "x"])));
    assert_eq!(found("1,2\n3,4\n", &header(true)), Some(strings(&["1", "2"])));
    assert_eq!(found("1,2\n3,4\n", &expected(Some(&["2", "1"]), None)), Some(strings(&["2", "1"])));
    // Labels above numbers are no names, labels above labels tell nothing.
    assert_eq!(found("1,x\n3,4\n", &label("2")), None);
    assert_eq!(found("1,x\n3,y\n", &label("2")), None);
    assert_eq!(found("5\n", &none), None);
    refused("a,b\n1,2\n", &header(false), "line 1, column 1: `a` is not a number");
    refused("a,b\n1,2\n", &header(false), "names, say --header yes");
    // A row whose values are missing is no header.
    refused("NA,1\n2,3\n", &none, "line 1, column 1: `NA` is not a finite number");
    refused("NA,\n2,3\n", &none, "line 1, column 1: `NA` is not a finite number");
}

#[test]
fn columns_are_chosen_in_order() {
    let text = "a,b,c\n1,2,x\n3,4,y\n";
    let data = parsed(text, &columns(&["b", "a"])).unwrap().train;
    assert_eq!(data.columns().texts().unwrap(), ["b", "a"]);
    assert_eq!(all::<f64>(&data), [2.0, 1.0, 4.0, 3.0]);
    let data = parsed("1,2,3\n4,5,6\n", &columns(&["3", " 1"])).unwrap().train;
    assert_eq!(all::<f64>(&data), [3.0, 1.0, 6.0, 4.0]);
    let model = expected(Some(&["b"]), None);
    let data = parsed(text, &model).unwrap().train;
    assert_eq!((data.columns().texts().unwrap(), all::<f64>(&data)), (vec!["b"], vec![2.0, 4.0]));
    // What the user says goes before what the model expects.
    let both = ReadOptions { columns: Some(strings(&["a"])), ..model.clone() };
    assert_eq!(parsed(text, &both).unwrap().train.columns().texts().unwrap(), ["a"]);
    // Without names there is nothing to look for.
    let nameless = ReadOptions { header: Some(false), ..model };
    assert_eq!(parsed("1,2\n3,4\n", &nameless).unwrap().train.width(), 2);
}

#[test]
fn columns_that_are_not_there_are_listed() {
    let text = "a,b,c\n1,2,3\n";
    refused(text, &columns(&["a", "x", "y"]), "no column `x`, `y`: the file has `a`, `b`, `c`;");
    refused(text, &columns(&["a", "a"]), "column 1 (`a`) is asked for twice");
    refused(text, &columns(&["4"]), "no column `4`");
    refused(text, &columns(&["0"]), "no column `0`");
    refused(text, &columns(&[]), "no column is left for values");
    refused(text, &expected(Some(&["a", "z"]), None), "no column `z`: the file has `a`,");
    refused(text, &label("z"), "no column `z`: the file has `a`, `b`, `c`; name one of them with");
    refused("a\n1\n", &label("a"), "no column is left");
    for number in ["0", "4", "x", "-1", "99999999999999999999999"] {
        refused("1,2,3\n", &columns(&[number]), "numbered from 1 to 3");
    }
    let wide = (0..20).map(|j| format!("c{j}")).collect::<Vec<_>>().join(",");
    refused(&format!("{wide}\n{wide}\n"), &label("z"), "`c6`, `c7`, …; name");
    let drop = ReadOptions { drop: Some(strings(&["a", "z"])), ..ReadOptions::default() };
    refused(
        text,
        &drop,
        "no column `z`: the file has `a`, `b`, `c`; name some of them with --drop",
    );
    let both = ReadOptions { label: Some("a".to_owned()), ..columns(&["a", "b"]) };
    refused(text, &both, "column 1 (`a`) holds the labels");
}

#[test]
fn names_that_occur_twice_matter_where_they_are_used() {
    let text = "a,b,a\n1,2,3\n";
    refused(text, &ReadOptions::default(), "column 1 (`a`) and column 3 have the same name");
    refused(text, &columns(&["a"]), "have the same name");
    refused(text, &label("a"), "have the same name");
    refused(text, &expected(Some(&["a"]), None), "have the same name");
    assert_eq!(parsed(text, &columns(&["b"])).unwrap().train.width(), 1);
    assert_eq!(parsed(text, &expected(Some(&["b"]), None)).unwrap().train.width(), 1);
    refused(
        ",b,\n1,2,3\n",
        &ReadOptions::default(),
        "column 1 and column 3 have the same name, or",
    );
}

#[test]
fn labels_are_text_and_no_values() {
    let text = "x,class,y\n1,b,2\n3, a ,4\n5,,6\n7,\"b\",8\n";
    let data = parsed(text, &label("class")).unwrap().train;
    assert_eq!(data.columns().texts().unwrap(), ["x", "y"]);
    assert_eq!(all::<f64>(&data), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    let labels = data.labels().unwrap();
    assert_eq!(labels.names(), ["", "a", "b"]);
    assert_eq!([0, 1, 2, 3].map(|row| labels.name(row)), ["b", "a", "", "b"]);
    let data = parsed("10,1\n9,2\n10,3\n", &label("1")).unwrap().train;
    assert_eq!((data.width(), data.labels().unwrap().names()), (1, &strings(&["9", "10"])[..]));
}

#[test]
fn a_models_labels_may_be_absent_and_are_never_values() {
    let model = expected(Some(&["x", "y"]), Some("class"));
    let with = parsed("y,class,x\n1,a,2\n", &model).unwrap();
    assert_eq!(all::<f64>(&with.train), [2.0, 1.0]);
    assert_eq!(with.train.labels().unwrap().name(0), "a");
    let without = parsed("y,x\n1,2\n", &model).unwrap();
    assert!(without.train.labels().is_none() && without.notes.is_empty());
    // Another column with labels does not make values of the model's.
    let other = ReadOptions { label: Some("k".to_owned()), ..expected(None, Some("class")) };
    let data = parsed("y,class,k\n1,a,b\n", &other).unwrap().train;
    assert_eq!((data.columns().texts().unwrap(), data.labels().unwrap().name(0)), (vec!["y"], "b"));
    let nameless = parsed("1,2\n3,4\n", &expected(None, Some("2"))).unwrap();
    assert_eq!(all::<f64>(&nameless.train), [1.0, 3.0]);
}

#[test]
fn bad_cells_are_named() {
    let table = [
        ("", "line 3, column 2 (`y`): the cell is empty: fill it in, remove such rows, or leave"),
        (
            "NA",
            "`NA` is not a finite number: fill it in, remove such rows, or leave the column out",
        ),
        ("NaN", "`NaN` is not a finite number: fill it in"),
        ("?", "`?` is not a finite number: fill it in"),
        ("-inf", "`-inf` is not a finite number"),
        ("Infinity", "`Infinity` is not a finite number"),
        ("1e999", "`1e999` is too large"),
        ("1 2 3", "`1 2 3` is several numbers"),
        (
            "red",
            "`red` is not a number: leave the column out with --drop y, or keep it as labels with \
             --label y",
        ),
        ("True", "`True` is not written like the cells above it"),
        ("0x1F", "`0x1F` is not a number"),
        ("1_000", "`1_000` is not a number"),
        ("12345678901234567890x1", "`12345678901234567890…` is not"),
        ("\"two\nlines\"", "`two\u{fffd}lines` is not a number"),
        ("\u{7}\0", "`\u{fffd}\u{fffd}` is not a number"),
    ];
    for (cell, expected) in table {
        refused(&format!("x,y\n0,1\n2,{cell}\n"), &ReadOptions::default(), expected);
    }
    refused("1 2\n3 4\n", &ReadOptions::default(), "line 1, column 1: `1 2` is several numbers");
    assert_eq!(parsed("x,y\n0,1\n2,red\n", &columns(&["x"])).unwrap().train.rows(), 2);
}

#[test]
fn lines_are_counted_as_an_editor_does() {
    let refused_at = |text: &str, line: usize| {
        refused(text, &label("name"), &format!("line {line}, column 1 (`x`)"));
    };
    refused_at("x,name\n\n\n1,a\n\nred,b\n", 6);
    refused_at("x,name\r\n\r\n\r\n1,a\r\n\r\nred,b\r\n", 6);
    refused_at("x,name\r\r\r1,a\r\rred,b\r", 6);
    refused_at("x,name\n1,\"two\nlines\"\nred,b\n", 4);
    refused_at("x,name\r\n1,\"two\r\nlines\"\r\nred,\"\r\n\"", 4);
    refused_at("\n\nx,name\n1,a\nred,b", 5);
    // Across the buffer's end, where `\r` and `\n` are seen apart.
    let many = "x,name\r\n".to_owned() + &"1,a\r\n".repeat(30_000) + "red,b\r\n";
    refused_at(&many, 30_002);
}

#[test]
fn malformed_files_are_refused() {
    let table = [
        ("\n \r\n", "all lines are blank"),
        ("\u{feff}", "all lines are blank"),
        ("a,b\n", "no rows below the columns' names"),
        ("a,b", "no rows below"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cells where the first has 2"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells where the first has 2"),
        ("a,b\n1,2,\n", "line 2 has 3 cells"),
        ("1,2\n\"3\"\n", "line 2 has 1 cells"),
        ("a,b\n1,2\n3,\"4\n5,6\n", "line 3: a quote is opened that is never closed"),
        ("\"", "line 1: a quote is opened"),
        ("a,b\n1,2\n3,\"4\"\"", "line 3: a quote is opened"),
        ("x\n\"\"\n", "line 2, column 1 (`x`): the cell is empty"),
        ("[1, 2, 3]\n[4, 5, 6]\n", "line 1, column 1: `[1` is not a number"),
    ];
    for (text, expected) in table {
        refused(text, &ReadOptions::default(), expected);
    }
}

#[test]
fn other_encodings_are_refused_where_text_matters() {
    let table: [(&[u8], ReadOptions, &str); 3] = [
        (b"x,caf\xe9\n1,2\n", ReadOptions::default(), "line 1, column 2: the name is not text"),
        (b"x,y\n1,caf\xe9\n", ReadOptions::default(), "`caf\u{fffd}` is not text in UTF-8"),
        (b"x,y\n1,caf\xe9\n", label("y"), "line 2, column 2 (`y`): `caf\u{fffd}` is not text"),
    ];
    for (bytes, options, expected) in table {
        assert_refused(read(&input(bytes).unwrap(), &options), expected);
    }
    let unused = read(&input(b"x,y\n1,caf\xe9\n").unwrap(), &columns(&["x"]));
    assert_eq!(unused.unwrap().train.rows(), 1);
}

#[test]
fn too_many_labels_are_no_classes() {
    let text = (0..=MOST_LABELS).fold(String::from("x,id\n"), |mut text, i| {
        writeln!(text, "1,{i}").unwrap();
        text
    });
    refused(&text, &label("id"), "column 2 (`id`) has more than 10000 different labels");
}

#[test]
fn endless_records_are_refused_before_they_are_in_memory() {
    let commas = ",".repeat(1 << 18);
    refused(&commas, &ReadOptions::default(), "more than 262144 cells");
    let quoted = format!("\"{}", "x".repeat(1 << 24));
    refused(&quoted, &ReadOptions::default(), "longer than 8 MiB");
}

#[test]
fn only_text_is_recognised() {
    let recognised = |bytes: &[u8]| (reader().recognises)(&Location::File(input(bytes).unwrap()));
    for bytes in [&b"a,b\n"[..], b"1", b"\t\r\n", b"\xef\xbb\xbfa", b"caf\xe9", b"PK,x", b"id\n"] {
        assert!(recognised(bytes), "{bytes:?}");
    }
    for bytes in [
        &b"\x93NUMPY\x01\x00"[..],
        b"PK\x03\x04",
        b"PK\x05\x06\0\0",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"\x80\x04\x95",
        b"<!DOCTYPE html>",
        b"<html>",
        b"<?xml version",
        b"%PDF-1.7",
        b"\xff\xfea\0,\0",
        b"\xfe\xff\0a\0,",
        b"a\0,\0b\0",
        b"PAR1\x15\x04",
        b"SQLite format 3\0",
        b"\x7fELF",
    ] {
        assert!(!recognised(bytes), "{bytes:?}");
        assert!(Source::from_bytes("x", bytes.to_vec(), &ReadOptions::default()).is_err());
    }
    let utf16 = Source::from_bytes("x", b"\xff\xfea\0".to_vec(), &ReadOptions::default());
    assert_refused(utf16, "text in UTF-16: save it as UTF-8");
}

#[test]
fn an_option_of_another_format_is_refused() {
    let options = ReadOptions { resize: Some((2, 2)), ..ReadOptions::default() };
    let outcome = Source::from_bytes("x", b"a\n1\n".to_vec(), &options);
    assert!(matches!(outcome, Err(Error::Setting { ref name, .. }) if name == "resize"));
}

/// Options that together reach every branch.
fn any_options() -> [ReadOptions; 7] {
    let model = expected(Some(&["x", "y"]), Some("class"));
    [
        ReadOptions::default(),
        header(true),
        header(false),
        label("class"),
        label("2"),
        columns(&["y", "1"]),
        model,
    ]
}

#[test]
fn every_truncation_is_read_or_refused() {
    let whole = "\u{feff}x;\"y;z\";class\r\n1;2.5;\"a\"\"b\"\r\n\r\n-3e2;+.5;\"c\r\nd\"\r\n";
    for length in 0..whole.len() {
        for options in any_options() {
            let bytes = whole.as_bytes()[..length].to_vec();
            let outcome = Source::from_bytes("x", bytes, &options);
            assert!(outcome.is_ok() || matches!(outcome, Err(Error::File { .. })), "{outcome:?}");
        }
    }
}

#[test]
fn any_bytes_are_read_or_refused() {
    const PIECES: [&str; 18] = [
        "1", "-2.5", "x", "y", "class", ",", ",", ";", "\t", "\n", "\n", "\r\n", "\r", "\"", " ",
        "é", "NA", "1e999",
    ];
    let mut state = 1u32;
    let mut draw = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize % below
    };
    let mut good = 0;
    for _ in 0..4000 {
        let text = (0..draw(24)).map(|_| PIECES[draw(18)]).collect::<String>();
        for options in any_options() {
            let outcome = Source::from_bytes("x", text.as_bytes().to_vec(), &options);
            good += outcome.is_ok() as usize;
        }
    }
    assert!(good > 100, "{good} good tables are too few to mean anything");
}

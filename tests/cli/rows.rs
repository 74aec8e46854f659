//! Which rows the commands on a model take, what becomes of those that it cannot have, and how the
//! lines of a table find back to them.

use crate::failures::{FAILURE, assert_refused};
use crate::lab::{Lab, PLAIN, npy_f32};
use crate::tables::{column, csv, lab, wine};
use serde_json::json;

/// The first 40 rows of a table, with these cells multiplied.
fn spoilt(cells: &[(usize, usize, f64)]) -> Vec<String> {
    let text = wine([1.0; 3]);
    let mut lines: Vec<_> = text.lines().take(41).map(str::to_owned).collect();
    for &(row, column, factor) in cells {
        let mut parts: Vec<_> = lines[row].splitn(4, ',').map(str::to_owned).collect();
        let value: f64 = parts[column - 1].parse().expect("a number");
        parts[column - 1] = (value * factor).to_string();
        lines[row] = parts.join(",");
    }
    lines
}

/// What a command says beside its result.
fn said(lab: &Lab, args: &str) -> String {
    String::from_utf8(lab.run(args).stderr).expect("UTF-8")
}

#[test]
fn a_bad_row_does_not_stop_the_others() {
    let lab = lab();
    // The fourth is within single precision, but its score is not.
    let bad = [4, 9, 10, 31, 40];
    let cells = [(4, 2, 1e30), (9, 1, -1e30), (10, 2, 1e60), (31, 2, 1e17), (40, 2, 1e300)];
    let lines = spoilt(&cells);
    lab.write("new.csv", lines.join("\n"));
    let others = |i: &usize| !bad.contains(i);
    let good: Vec<_> = (0..=40).filter(others).map(|i| lines[i].clone()).collect();
    lab.write("good.csv", good.join("\n"));

    let error = said(&lab, "evaluate run --data new.csv --per-row scores.csv");
    let notes: Vec<_> = error.lines().filter(|line| line.contains("new.csv")).collect();
    let [note] = notes[..] else { panic!("not one note: {error}") };
    let starts = "note: new.csv: 5 of 40 rows without a score, and the figures are those of the others: \
                  row 4, column 2 (`weight`): the value ";
    assert!(note.starts_with(starts), "{note}");
    for part in ["row 9, column 1 (`acid`): the value -", "row 10, column 2", "; and 2 more"] {
        assert!(note.contains(part), "{part}: {note}");
    }
    assert!(note.len() < 600 && note.matches("is beyond").count() == 1, "{note}");

    let judged = lab.json("evaluate run --data new.csv");
    assert_eq!((&judged["rows"], &judged["refused"]), (&json!(35), &json!(5)));
    let (header, scores) = csv(&lab.text("scores.csv"));
    assert_eq!(header[..3], ["row", "label", "neg_elbo"]);
    assert_eq!(column(&scores, 0), (1..=40).map(f64::from).collect::<Vec<_>>());
    let infinite = |row: &&Vec<String>| row[2] == "inf" && row[3] == "inf" && row[4].is_empty();
    let found: Vec<_> = scores.iter().filter(infinite).map(|row| row[0].clone()).collect();
    assert_eq!(found, bad.map(|row| row.to_string()));
    let finite: Vec<_> = column(&scores, 2).into_iter().filter(|s| s.is_finite()).collect();
    let mean = finite.iter().sum::<f64>() / 35.0;
    assert!((mean - judged["neg_elbo"].as_f64().expect("a mean")).abs() < 1e-4, "{mean} {judged}");
    let estimated = lab.json("evaluate run --data new.csv --samples 10");
    assert!(estimated["neg_log_px"].is_f64(), "{estimated}");

    // A walk needs its ends alone.
    lab.run("interpolate run --data new.csv --from 1 --to 39 --steps 3 -o walk.csv");
    assert_eq!(csv(&lab.text("walk.csv")).1.len(), 3);

    // A latent that is finite is one, such as that of row 31; the others' cells are empty.
    let bad = &bad.map(|row| row.to_string())[..];
    for command in ["encode", "encode --std", "reconstruct"] {
        for file in ["new", "good"] {
            lab.run(&format!("{command} run --data {file}.csv -o {file}-out.csv"));
        }
        let result = lab.json(&format!("{command} run --data new.csv -o new.npy"));
        let (header, all) = csv(&lab.text("new-out.csv"));
        let (same, alone) = csv(&lab.text("good-out.csv"));
        assert_eq!(header, same);
        let empty = |row: &&Vec<String>| row[2..].iter().all(String::is_empty);
        let found: Vec<_> = all.iter().filter(empty).map(|row| row[0].clone()).collect();
        assert!(["4", "9", "10", "40"].iter().all(|row| found.contains(&(*row).to_owned())));
        assert!(found.iter().all(|row| bad.contains(row)), "{command}: {found:?}");
        let count = found.len();
        assert_eq!(result, json!({"output": "new.npy", "refused": count, "rows": 40}));
        let bytes = lab.bytes("new.npy");
        let is_nan = |v: &[u8]| f32::from_le_bytes([v[0], v[1], v[2], v[3]]).is_nan();
        if command == "encode" {
            assert_eq!(bytes[128..].chunks_exact(4).filter(|v| is_nan(v)).count(), 2 * count);
        }
        // What the others get does not depend on them.
        let kept = all.iter().filter(|row| !bad.contains(&row[0]));
        assert!(kept.map(|row| &row[1..]).eq(alone.iter().map(|row| &row[1..])), "{command}");
    }
}

#[test]
fn a_value_outside_the_support_is_one_row() {
    let lab = Lab::new();
    let bits: String = (0..40).map(|i| format!("{},{}\n", i % 2, i / 2 % 2)).collect();
    lab.write("bits.csv", format!("a,b\n{bits}"));
    lab.write("seven.csv", "a,b\n0,1\n7,1\n1,1\n1,0\n0,-1\n");
    lab.write("good.csv", "a,b\n0,1\n1,1\n1,0\n");
    lab.write("bad.csv", "a,b\n0,1\n0,7\n");
    lab.write("worse.csv", "a,b\n0,9\n0,7\n");
    for (run, binarize) in [("plain", "none"), ("coins", "static"), ("black", "threshold")] {
        let train = format!("--hidden 4 --latent 2 --epochs 1 --binarize {binarize} --out {run}");
        lab.run(&format!("train --data bits.csv {train}"));
        let error = said(&lab, &format!("evaluate {run} --data seven.csv --per-row s.csv"));
        assert!(error.contains("seven.csv: 2 of 5 rows without a score"), "{error}");
        assert!(
            error.contains("row 2, column 1 (`a`): the value 7 in line 3 is not allowed"),
            "{error}"
        );
        assert_eq!(
            column(&csv(&lab.text("s.csv")).1, 1).iter().filter(|s| s.is_infinite()).count(),
            2
        );
        lab.run(&format!("encode {run} --data seven.csv -o all.csv"));
        lab.run(&format!("encode {run} --data good.csv -o good-z.csv"));
        let (all, good) = (csv(&lab.text("all.csv")).1, csv(&lab.text("good-z.csv")).1);
        for (i, row) in [0, 2, 3].into_iter().enumerate() {
            assert_eq!(all[row][1..], good[i][1..], "{run}");
        }
        // A row that is asked for by itself, and a file without any other, is an error.
        assert_refused(
            &lab,
            &[
                (
                    &format!("interpolate {run} -q --data bad.csv --from 1 --to 2 -o w.csv"),
                    FAILURE,
                    "bad.csv: row 2, column 2 (`b`): the value 7",
                ),
                (
                    &format!("evaluate {run} -q --data worse.csv"),
                    FAILURE,
                    "worse.csv: row 1, column 2 (`b`): the value 9",
                ),
            ],
        );
    }
    // Training data stay strict.
    let train =
        "train --hidden 4 --latent 2 --epochs 1 --likelihood bernoulli --out no --data seven.csv";
    assert_refused(&lab, &[(train, FAILURE, "row 2, column 1 (`a`): the value 7")]);
}

#[test]
fn a_file_whose_scores_all_break_is_an_error() {
    let lab = lab();
    lab.write("far.csv", "acid,weight,tint\n4,1e18,0.5\n4,-1e18,0.5\n");
    let says = "far.csv: row 1: its score is not finite; row 2: its score is not finite";
    assert_refused(&lab, &[("evaluate run -q --data far.csv", FAILURE, says)]);
}

#[test]
fn the_rows_that_are_taken_are_said() {
    let lab = lab();
    let aside =
        "note: these are the 30 test rows that the training set aside of 300; --part all takes";
    for command in ["evaluate run", "reconstruct run -o r.csv"] {
        assert!(said(&lab, &format!("{command} --data wine.csv")).contains(aside), "{command}");
        let all = said(&lab, &format!("{command} --data wine.csv --part all"));
        assert!(!all.contains("note:"), "{all}");
    }
    let all = "note: these are all 300 rows, also those that the model learned from";
    for command in ["encode run -o z.csv", "interpolate run --from 1 --to 9 -o w.csv"] {
        assert!(said(&lab, &format!("{command} --data wine.csv")).contains(all), "{command}");
    }
    lab.run(&format!("train {PLAIN} --epochs 1 --out digits"));
    let own = "note: these are the data's own 100 test rows; --part train takes the others";
    for command in [
        "evaluate",
        "encode -o a.csv",
        "reconstruct -o a.csv",
        "interpolate --from 1 --to 2 -o a.csv",
    ] {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        assert!(said(&lab, &format!("{verb} digits {rest}")).contains(own), "{command}");
        lab.run(&format!("{verb} digits {rest} --part train"));
    }

    // A picture has room for 40; a table and an array hold all.
    let note = "note: the picture shows the first 40 of 100 rows; -n takes more";
    assert!(said(&lab, "reconstruct digits -o p.png").contains(note));
    assert_eq!(lab.json("reconstruct digits -o p.png")["rows"], 40);
    assert!(!said(&lab, "reconstruct digits -n 50 -o p.png").contains(note));
    for file in ["p.csv", "p.npy"] {
        assert_eq!(lab.json(&format!("reconstruct digits -o {file}"))["rows"], 100, "{file}");
    }
    let (header, rows) = csv(&lab.text("p.csv"));
    assert_eq!((header[..3].join(","), rows.len()), ("row,label,x1".to_owned(), 100));
}

#[test]
fn a_row_has_one_number_everywhere() {
    let lab = lab();
    lab.run("encode run --data wine.csv -o z.csv");
    lab.run("reconstruct run --data wine.csv --part all -o r.csv");
    lab.run("reconstruct run --data wine.csv -o test.csv");
    lab.run("evaluate run --data wine.csv --per-row s.csv");
    let [z, all, test, scores] =
        ["z", "r", "test", "s"].map(|f| csv(&lab.text(&format!("{f}.csv"))).1);
    // The number in a table of test rows is that in the file.
    for row in &test {
        let number: usize = row[0].parse().expect("a number");
        assert_eq!(row, &all[number - 1]);
        assert_eq!(row[..2], z[number - 1][..2]);
    }
    assert!(test.iter().map(|row| &row[..2]).eq(scores.iter().map(|row| &row[..2])));
    // It is the one that interpolation takes, and the one in a message.
    lab.run("interpolate run --data wine.csv --from 300 --to 1 --steps 2 -o walk.csv");
    let walk = csv(&lab.text("walk.csv")).1;
    let near = |a: &String, b: &String| {
        let [a, b] = [a, b].map(|v| v.parse::<f64>().expect("a number"));
        (a - b).abs() < 1e-4 * a.abs()
    };
    for (step, row) in [(0, 299), (1, 0)] {
        assert!(walk[step].iter().zip(&all[row][2..]).all(|(a, b)| near(a, b)), "{step}");
    }
    let absent = (1..=300).find(|n| test.iter().all(|row| row[0] != n.to_string())).expect("a row");
    let flags = format!("--part test --from {absent} --to {absent} -o a.csv");
    let says = format!("--from: row {absent} is not in this part; leave out --part");
    assert_refused(&lab, &[(&format!("interpolate run -q --data wine.csv {flags}"), 2, &says)]);
}

#[test]
fn columns_are_told_by_name_in_any_order() {
    let lab = lab();
    lab.write("more.csv", "tint,notes,acid,age,weight\n0.5,fine,5,3,40\n0.4,good,5,4,41\n");
    lab.write("plain.csv", "acid,weight,tint\n5,40,0.5\n5,41,0.4\n");
    lab.write("less.csv", "age,weight\n1,2\n");
    for (command, file) in [("encode run", "z.csv"), ("reconstruct run", "r.csv")] {
        let error = said(&lab, &format!("{command} --data more.csv -o {file}"));
        let note = "note: columns that the model does not know are left out: `notes`, `age`\n";
        assert!(error.contains(note), "{error}");
        let more = lab.text(file);
        assert!(!said(&lab, &format!("{command} --data plain.csv -o {file}")).contains("left out"));
        assert_eq!(lab.text(file), more);
    }
    let says = "less.csv: there is no column `acid`, `tint`: the file has `age`, `weight`";
    assert_refused(&lab, &[("encode run --data less.csv -o a.csv", FAILURE, says)]);
}

#[test]
fn a_value_that_is_no_number_is_named_with_its_file() {
    let lab = Lab::new();
    lab.write("nan.npy", npy_f32(2, &[0.5, 1.0, 0.5, f32::NAN]));
    let says =
        "nan.npy: row 2, column 2: the value NaN is not allowed: values must be finite; remove or";
    let train = "train --data nan.npy --likelihood normal --hidden 4 --latent 1 --out run";
    assert_refused(&lab, &[(train, FAILURE, says)]);
    lab.write("nan.npy", npy_f32(2, &[0.5, 1.0]));
    lab.run(&format!("{train} --test 0 --epochs 1"));
}

//! Tables of several kinds, with missing cells: from the file to a model to rows like the file's.

use crate::failures::{FAILURE, USAGE, assert_refused};
use crate::lab::Lab;
use crate::tables::csv;
use std::fmt::Write;

/// A number that looks drawn at random, of each place (SplitMix64).
fn hash(place: u64) -> u64 {
    let mut z = place.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// 3,000 people: a town, of which three quarters are Rome; an age that is uniform over 30 numbers and missing for three in ten;
/// a fee of 0 for most and two decimals for others; a day; a constant and a number of each row.
pub(crate) fn people() -> String {
    let mut text = "id,town,age,fee,day,country\n".to_owned();
    for i in 0..3000u64 {
        let hash = |k: u64| hash(8 * i + k);
        let town = if hash(1) % 4 == 0 { "Bonn" } else { "Rome" };
        let age = if hash(2) % 10 < 3 { "NA".to_owned() } else { format!("{}", 20 + hash(3) % 30) };
        let fee = if town == "Rome" {
            "0.00".to_owned()
        } else {
            format!("{}.{:02}", 5 + hash(4) % 10, hash(5) % 100)
        };
        writeln!(text, "{},{town},{age},{fee},2023-01-{:02},IT", i + 1, 1 + hash(6) % 31).unwrap();
    }
    text
}

pub(crate) fn text(lab: &Lab, args: &str) -> String {
    String::from_utf8(lab.run(args).stdout).expect("UTF-8")
}

#[test]
fn a_table_goes_in_as_it_is_and_comes_out_alike() {
    let lab = Lab::new();
    lab.write("people.csv", people());
    let told = text(&lab, "columns people.csv");
    for line in [
        "id       key: names or numbers the rows, not learned",
        "town     2 classes: Bonn, Rome",
        "age      integer, 20 … 49, 30 steps; ",
        "fee      number of 2 decimals, 0.00 … 14.9",
        " steps, often 0.00",
        "day      date (%Y-%m-%d), 2023-01-01 … 2023-01-31, 31 steps",
        "country  constant: IT",
        "4 of 6 columns are learned, of 3000 rows",
    ] {
        assert!(told.contains(line), "{line}:\n{told}");
    }
    let json = lab.json("columns people.csv");
    assert_eq!(json["columns"][2]["kind"], "number");
    assert!((json["columns"][2]["missing"].as_f64().unwrap() - 0.3).abs() < 0.05, "{json}");

    let said = lab.run("train --data people.csv --epochs 60 --out run");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("these defaults fit a table of several kinds of 3000 rows"), "{said}");
    let (header, rows) = csv(&text(&lab, "sample run -n 2000 -o -"));
    assert_eq!(header, ["town", "age", "fee", "day", "country"]);
    let share =
        |is: &dyn Fn(&[String]) -> bool| rows.iter().filter(|row| is(row)).count() as f64 / 2000.0;
    let near = |share: f64, right: f64| assert!((share - right).abs() < 0.06, "{share} of {right}");
    near(share(&|row| row[0] == "Rome"), 0.75);
    near(share(&|row| row[1] == "NA"), 0.3);
    near(share(&|row| row[2] == "0.00"), 0.75);
    near(share(&|row| (row[0] == "Rome") == (row[2] == "0.00")), 1.0);
    for row in &rows {
        let age = row[1].parse::<i32>();
        assert!(row[1] == "NA" || age.is_ok_and(|age| (20..50).contains(&age)), "{row:?}");
        assert!(row[2].split_once('.').is_some_and(|(_, cents)| cents.len() == 2), "{row:?}");
        assert!(row[3].starts_with("2023-01-") && row[4] == "IT", "{row:?}");
    }
    let (_, rows) = csv(&text(&lab, "sample run -n 200 --complete -o -"));
    assert!(rows.iter().all(|row| row[1] != "NA"));
    let (header, rows) = csv(&text(&lab, "sample run -n 20 --keys -o -"));
    assert_eq!(header, ["id", "town", "age", "fee", "day", "country"]);
    assert!(rows.iter().enumerate().all(|(i, row)| row[0] == (i + 1).to_string()));
    lab.run("sample run -n 20 --keys -o keyed.csv");
    assert_refused(&lab, &[("sample run --keys -o x.npy", USAGE, "--keys")]);

    // What was written is a table like the file's, and the file is one like itself.
    lab.run("sample run -n 3000 --keys -o new.csv");
    let found = lab.json("compare people.csv people.csv");
    assert_eq!(
        (&found["new"]["shapes"], &found["new"]["trends"]),
        (&1.0.into(), &1.0.into()),
        "{found}"
    );
    let found = lab.json("compare people.csv new.csv");
    assert!(found["new"]["shapes"].as_f64().unwrap() > 0.95, "{found}");

    // log p(x) knows what the rows are made of: of probabilities, what is missing left out.
    let judged = lab.json("evaluate run --part all --samples 50");
    let (_, rows) = csv(&lab.text("people.csv"));
    let share = |is: &dyn Fn(&[String]) -> bool| {
        rows.iter().filter(|row| is(row)).count() as f64 / rows.len() as f64
    };
    let (bonn, present) = (share(&|row| row[1] == "Bonn"), share(&|row| row[2] != "NA"));
    let town = -(1.0 - bonn) * 0.75f64.ln() - bonn * 0.25f64.ln();
    let right = town + present * 30f64.ln() + bonn * 1000f64.ln() + 31f64.ln();
    let found = judged["neg_log_px"].as_f64().unwrap();
    assert!((found - right).abs() < 0.1, "{found} of {right}");

    // Every command takes it, and other files of its columns.
    let info = text(&lab, "info run");
    assert!(info.contains("  fee: number of 2 decimals, 0.00 … 14.9"), "{info}");
    let again = text(&lab, "reconstruct run -n 5 -o -");
    assert!(again.starts_with("row,town,age,fee,day,country\n"), "{again}");
    lab.run("interpolate run --from 1 --to 2 -o walk.csv");
    lab.run("encode run -n 20 -o latents.csv");
    assert!(
        text(&lab, "decode run latents.csv -o -").starts_with("row,town,age,fee,day,country\n")
    );
    lab.write("more.csv", "fee,age,day,town\n0.00,,2023-01-05,Rome\n7.25,33,2023-01-06,Oslo\n7.25,33,2023-01-06,Bonn\n");
    let judged = lab.json("evaluate run --data more.csv");
    assert_eq!((judged["rows"].as_u64(), judged["refused"].as_u64()), (Some(2), Some(1)));
}

#[test]
fn such_runs_are_repeated_and_go_on() {
    let lab = Lab::new();
    lab.write("people.csv", people());
    lab.run("train --data people.csv --epochs 4 --out whole -q");
    lab.run("train --config whole/config.toml --out again -q");
    assert_eq!(lab.bytes("whole/model.safetensors"), lab.bytes("again/model.safetensors"));
    lab.run("train --data people.csv --epochs 4 --stop-after 2 --out parts -q");
    lab.run("train --resume --out parts -q");
    assert_eq!(lab.bytes("whole/model.safetensors"), lab.bytes("parts/model.safetensors"));
}

#[test]
fn what_such_a_table_cannot_have_is_refused() {
    let lab = Lab::new();
    lab.write("people.csv", people());
    lab.write("slip.csv", "a,b\n1,x\n2,y\noops,x\n3,y\n");
    let train = |args: &str| format!("train --epochs 1 --out run --data {args}");
    assert_refused(
        &lab,
        &[
            (
                &train("slip.csv"),
                FAILURE,
                "`oops` is a word among numbers: if it says that a cell is missing, say --missing oops",
            ),
            (&train("people.csv --kinds age"), USAGE, "--kinds: `age` is not NAME=KIND"),
            (&train("people.csv --kinds age=colour"), USAGE, "--kinds: `colour` is unknown"),
            (
                &train("people.csv --drop id,country --standardize yes"),
                USAGE,
                "--standardize: columns of several kinds",
            ),
            (
                &train("people.csv --drop id,country --prior vamp"),
                USAGE,
                "--prior: `vamp:pseudo-inputs=100` cannot say in which form",
            ),
            (&train("digits:count=50 --missing x"), USAGE, "--missing: this data is digits"),
            ("columns digits:count=50", USAGE, "--kinds: this data is digits"),
        ],
    );
    lab.run("train --data slip.csv --missing oops --epochs 1 --test 0 --out run -q");
    lab.run("train --data slip.csv --kinds a=class --epochs 1 --test 0 --force --out run -q");
}

/// y is x and a little noise, its cells missing in a fifth of the rows: what is filled in is as near as the noise, and nine in
/// ten lie in their interval.
#[test]
fn missing_cells_are_filled_in() {
    let lab = Lab::new();
    let (mut whole, mut gaps) = ("x,y,side\n".to_owned(), "x,y,side\n".to_owned());
    let number = |i: u64, k: u64| (hash(8 * i + k) % 10_000) as f64 / 10_000.0;
    for i in 0..2000 {
        let x = 6.0 * number(i, 1) - 3.0;
        let y = 2.0 * x + 0.5 * (number(i, 2) + number(i, 3) + number(i, 4) - 1.5);
        let side = if x > 0.0 { "right" } else { "left" };
        let shown = if number(i, 5) < 0.2 { String::new() } else { format!("{y:.4}") };
        let told = if number(i, 6) < 0.2 { "" } else { side };
        writeln!(whole, "{x:.4},{y:.4},{side}").unwrap();
        writeln!(gaps, "{x:.4},{shown},{told}").unwrap();
    }
    lab.write("gaps.csv", gaps);
    lab.run("train --data gaps.csv --epochs 60 --mask-rate 0.2 --out run -q");
    lab.run("impute run --data gaps.csv --intervals -o filled.csv");
    let (header, filled) = csv(&lab.text("filled.csv"));
    assert_eq!(header, ["x", "y", "side", "y (5 %)", "y (95 %)"]);
    let (_, rows) = csv(&lab.text("gaps.csv"));
    let (_, right) = csv(&whole);
    let (mut squares, mut within, mut count, mut sides) = (0.0, 0, 0, [0, 0]);
    for ((filled, gaps), right) in filled.iter().zip(&rows).zip(&right) {
        assert_eq!(filled[0], gaps[0]);
        if gaps[1].is_empty() {
            let [y, truth, low, high] = [&filled[1], &right[1], &filled[3], &filled[4]]
                .map(|cell| cell.parse::<f64>().unwrap());
            squares += (y - truth) * (y - truth);
            within += usize::from(low <= truth && truth <= high);
            count += 1;
        } else {
            assert_eq!((&filled[1], filled[3].as_str()), (&gaps[1], ""));
        }
        if gaps[2].is_empty() {
            sides[usize::from(filled[2] == right[2])] += 1;
        }
    }
    // The noise has the deviation 0.25, y itself 3.5.
    let (error, covered) = ((squares / f64::from(count)).sqrt(), within as f64 / f64::from(count));
    assert!(error < 0.5, "{error}");
    assert!((0.8..=0.99).contains(&covered), "{covered}");
    assert!(sides[1] > 9 * sides[0], "{sides:?}");

    lab.run("impute run --data gaps.csv --draws 3 -o three.csv");
    let (header, drawn) = csv(&lab.text("three.csv"));
    assert_eq!((header[0].as_str(), drawn.len()), ("draw", 6000));
    let gap = rows.iter().position(|row| row[1].is_empty()).unwrap();
    assert!(drawn[gap][2] != drawn[gap + 2000][2] && drawn.iter().all(|row| !row[2].is_empty()));
    lab.write("plain.csv", "a,b\n1,2\n2,5\n3,1\n4,4\n");
    lab.run("train --data plain.csv --epochs 1 --test 0 --out plain -q");
    assert_refused(
        &lab,
        &[
            (
                "impute plain --data plain.csv -o x.csv",
                USAGE,
                "MODEL: the model was trained on a table without missing cells",
            ),
            ("impute run --data gaps.csv -o x.npy", USAGE, "--output: a completed table is a .csv"),
            ("impute run --data gaps.csv --draws 0 -o x.csv", USAGE, "--draws: must be at least 1"),
            (
                "train --data plain.csv --mask-rate 0.2 --epochs 1 --test 0 --out other",
                USAGE,
                "--mask-rate: the likelihood has no missing cells",
            ),
        ],
    );
}

/// Rows beside rows: a copy is known as one, shuffled columns as such, and what a model makes lies between.
#[test]
fn rows_are_compared() {
    let lab = Lab::new();
    lab.write("people.csv", people());
    let copy = lab.json("compare people.csv people.csv");
    assert_eq!(
        (copy["new"]["shapes"].as_f64(), copy["new"]["trends"].as_f64()),
        (Some(1.0), Some(1.0))
    );
    assert_eq!(copy["new"]["nearness"], 0.0);
    assert!(copy["new"]["two_sample_auc"].as_f64().unwrap() < 0.55, "{copy}");
    assert!(copy["shuffled"]["two_sample_auc"].as_f64().unwrap() > 0.7, "{copy}");
    assert!(text(&lab, "compare people.csv people.csv").contains("a copy"));

    lab.run("train --data people.csv --epochs 40 --out run -q");
    lab.run("sample run -n 2000 -o new.csv");
    let told = text(
        &lab,
        "compare people.csv new.csv --holdout people.csv --target town --drop id,country",
    );
    for part in [
        "2,000 new rows beside 3,000 real ones, of 4 columns",
        "rows       shapes  trends     AUC  nearness   taught",
        "holdout ",
        "shuffled ",
        "real ",
        "least alike: ",
    ] {
        assert!(told.contains(part), "{part}:\n{told}");
    }
    let found =
        lab.json("compare people.csv new.csv --holdout people.csv --target town --drop id,country");
    let number = |pointer: &str| found.pointer(pointer).and_then(|v| v.as_f64()).expect(pointer);
    assert!(number("/new/shapes") > 0.93 && number("/new/trends") > 0.9, "{found}");
    assert!(number("/new/two_sample_auc") < number("/shuffled/two_sample_auc") - 0.1, "{found}");
    // Such rows are often equal by chance, which makes them no copies.
    assert!(!told.contains("a copy"), "{told}");
    // The fee says the town.
    assert!(number("/new/taught_auc") > 0.95 && number("/real/taught_auc") > 0.95, "{found}");
    let judged = lab.json("evaluate run --two-sample");
    assert!(judged["two_sample_auc"].as_f64().unwrap() < 0.75, "{judged}");
    lab.write("few.csv", "id,town,age,fee,day,country\n1,Rome,20,0.00,2023-01-01,IT\n");
    assert_refused(
        &lab,
        &[
            ("compare people.csv few.csv", USAGE, "NEW: eight rows of each table at least"),
            (
                "compare people.csv new.csv --holdout people.csv --target age",
                USAGE,
                "--target: a classifier is trained on a column of two classes",
            ),
            (
                "compare people.csv new.csv --holdout people.csv --target name",
                USAGE,
                "--target: no column that is compared is called `name`",
            ),
            ("compare people.csv nowhere.csv", FAILURE, "nowhere.csv"),
        ],
    );
}

/// Numbers over four decades: their logarithms are normal, which a spread says little about and quantiles much.
#[test]
fn skewed_numbers_are_seen_by_their_quantiles() {
    const SIGMA: f64 = 1.5;
    let lab = Lab::new();
    let mut text = "town,fee\n".to_owned();
    for i in 0..4000u64 {
        let unit = |k: u64| (hash(4 * i + k) as f64 + 0.5) / 2f64.powi(64);
        let z = (-2.0 * unit(0).ln()).sqrt() * (std::f64::consts::TAU * unit(1)).cos();
        let town = if unit(2) < 0.25 { "Bonn" } else { "Rome" };
        writeln!(text, "{town},{:.12}", 10.0 * (SIGMA * z).exp()).unwrap();
    }
    lab.write("fees.csv", text);
    lab.run("train --data fees.csv --epochs 40 --test 0.2 --out run");
    let info = self::text(&lab, "info run");
    assert!(info.contains("seen by its quantiles"), "{info}");
    // In the file's own units: the entropy of a log-normal, and that of a coin.
    let right = 0.5 * (std::f64::consts::TAU * std::f64::consts::E).ln() + SIGMA.ln() + 10f64.ln();
    let right = right - 0.25 * 0.25f64.ln() - 0.75 * 0.75f64.ln();
    let judged = lab.json("evaluate run --samples 50");
    assert_eq!(judged["rows"], 800, "the test rows are found again: {judged}");
    let (found, se) =
        (judged["neg_log_px"].as_f64().unwrap(), judged["neg_log_px_rows_se"].as_f64().unwrap());
    assert!((found - right).abs() < 4.0 * se + 0.03, "{found} of {right} ± {se}");
    let (_, rows) = csv(&self::text(&lab, "sample run -n 2000 -o -"));
    let mut fees: Vec<f64> = rows.iter().map(|row| row[1].parse().unwrap()).collect();
    fees.sort_by(f64::total_cmp);
    for (share, z) in [(0.1, -1.2816), (0.5, 0.0), (0.9, 1.2816)] {
        let off = (fees[(share * 2000.0) as usize] / 10.0).ln() / SIGMA - z;
        assert!(off.abs() < 0.15, "{share}: {off}");
    }
    // A run goes on as it was begun, and so does a model on the same rows.
    lab.run("train --data fees.csv --from run --epochs 1 --out more");
    assert!(self::text(&lab, "info more").contains("seen by its quantiles"));
}

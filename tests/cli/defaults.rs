//! The settings that a run has when nobody chooses any, by what the data are.

use crate::lab::{Lab, npy};
use crate::pictures::discs;
use crate::tables::{column, csv, mean_and_spread, wine};
use elbo::rng::{Address, Purpose};
use serde_json::Value;

/// What stands in a run's `config.toml`.
fn config(lab: &Lab, run: &str) -> toml::Table {
    lab.text(&format!("{run}/config.toml")).parse().expect("TOML")
}

/// The settings `keys` of a run, as flags.
fn settings(lab: &Lab, run: &str) -> String {
    let config = config(lab, run);
    let keys = "likelihood hidden latent activation batch-size epochs validation patience";
    let text = |value: &toml::Value| value.to_string().replace('"', "");
    let set = keys.split(' ').filter_map(|key| Some(format!("--{key} {}", text(config.get(key)?))));
    set.collect::<Vec<_>>().join(" ")
}

const TABLE: &str = "--likelihood bounded-normal:floor=0.01,cap=1 --hidden 64 --latent 1 --activation tanh \
                     --batch-size 32 --epochs 1000 --validation 0.1 --patience 50";

#[test]
fn a_table_has_settings_of_its_own_and_says_so() {
    let lab = Lab::new();
    lab.write("wine.csv", wine([1.0; 3]));
    let output = lab.run("train --data wine.csv --label class --stop-after 2 --out run");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    let line = format!(
        "note: these defaults fit a table of 300 rows and 3 columns; a flag changes any of them: {TABLE}\n"
    );
    assert!(said.contains(&line), "{said}");
    assert_eq!(settings(&lab, "run"), TABLE);

    // Written down, they are choices: the run can be repeated, and goes on as it was.
    let again = lab.run("train --config run/config.toml --stop-after 2 --out again");
    assert!(!String::from_utf8_lossy(&again.stderr).contains("these defaults"));
    assert_eq!(lab.bytes("run/config.toml"), lab.bytes("again/config.toml"));
    lab.run("train --resume --stop-after 3 --out run");
    assert_eq!(settings(&lab, "run"), TABLE);
}

#[test]
fn what_is_chosen_stays() {
    let lab = Lab::new();
    lab.write("wine.csv", wine([1.0; 3]));
    let chosen =
        "--likelihood normal --hidden 8,8 --latent 2 --activation relu --batch-size 16 --epochs 2";
    lab.run(&format!("train --data wine.csv --label class {chosen} --validation 0 --out all"));
    // Without validation rows there is nothing to be patient for.
    assert_eq!(settings(&lab, "all"), format!("{chosen} --validation 0.0"));
    lab.write("some.toml", "data = \"wine.csv\"\nlabel = \"class\"\nlatent = 3\nepochs = 1");
    lab.run("train --config some.toml --hidden 8 --out some");
    // Nor where the epochs are given: they are meant.
    let expected = TABLE.replace("--hidden 64 --latent 1", "--hidden 8 --latent 3");
    let expected = expected.replace("1000", "1").replace(" --patience 50", "");
    assert_eq!(settings(&lab, "some"), expected);
}

#[test]
fn other_data_have_others() {
    let lab = Lab::new();
    let run = |data: &str| {
        lab.run(&format!("train --data {data} --stop-after 1 --out {data}-run"));
        settings(&lab, &format!("{data}-run"))
    };
    // What the flags' own defaults are for.
    let pictures = "--likelihood bernoulli --hidden 400,200 --latent 20 --activation relu --batch-size 128 \
                    --epochs 20 --validation 0.0";
    assert_eq!(run("digits:count=100"), pictures);
    let floats = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>();
    let grey: Vec<f32> = (0..640).map(|i| (i % 7) as f32 / 6.0).collect();
    lab.write("grey.npy", npy("<f4", false, &[40, 4, 4], &floats(&grey)));
    lab.write("flat.npy", npy("<f4", false, &[10, 64], &floats(&grey)));
    lab.write("bytes.npy", npy("|u1", false, &[20, 2], &[7; 40]));
    for data in ["grey.npy", "flat.npy", "bytes.npy"] {
        assert_eq!(run(data), pictures, "{data}");
    }
    // Nothing but 0 and 1 is no normal; a few rows leave none for validation.
    let bits: Vec<f32> = grey.iter().map(|v| v.round()).collect();
    lab.write("bits.npy", npy("<f4", false, &[40, 16], &floats(&bits)));
    assert_eq!(
        run("bits.npy"),
        "--likelihood bernoulli --hidden 64 --latent 8 --activation tanh --batch-size 32 --epochs 300 --validation 0.0"
    );
    discs(&lab, "photos");
    let colours = run("photos");
    assert!(colours.starts_with("--likelihood normal:variance=learned"), "{colours}");
}

const NAMES: &str = "a,b,c,d,e,f,g,h,i,j,k,l";
type Row = [f64; 12];
/// A row, a column, and what becomes of the value there.
type Fault = (usize, usize, fn(f64) -> f64);

/// Twelve columns around 10 that hang together through three numbers, each spread by about 4 and skewed
/// as measured quantities are.
fn table(rows: usize, seed: u64) -> Vec<Row> {
    let shares = ["110011011101", "011100101110", "101001111001"];
    let mut noise = vec![0f32; 15 * rows];
    Address::new(seed, Purpose::Check).fill_normal(&mut noise);
    let row = |noise: &[f32]| -> Row {
        std::array::from_fn(|j| {
            let common = (0..3).filter(|k| &shares[*k][j..=j] == "1").map(|k| noise[k]);
            10.0 * (0.25 * f64::from(common.sum::<f32>() + noise[3 + j])).exp()
        })
    };
    noise.chunks_exact(15).map(row).collect()
}

fn text(rows: &[Row]) -> String {
    let line = |row: &Row| row.map(|v| format!("{v:.4}")).join(",") + "\n";
    format!("{NAMES}\n{}", rows.iter().map(line).collect::<String>())
}

/// The row with one wrong cell is among the three oddest, although it was learned from.
#[test]
fn an_outlier_among_the_training_rows_does_not_hide() {
    let lab = Lab::new();
    let wrong: [Fault; 4] = [
        (17, 2, |v| 10.0 * v),
        (101, 0, |v| -5.0 * v),
        (55, 5, |v| v + 60.0),
        (140, 3, |v| v - 60.0),
    ];
    let rank = |seed: usize| {
        let (mut rows, (row, j, change)) = (table(178, seed as u64), wrong[seed % 4]);
        rows[row][j] = change(rows[row][j]);
        lab.write("table.csv", text(&rows));
        lab.run(&format!("train --data table.csv --test 0 --seed {seed} --out run{seed}"));
        lab.run(&format!("evaluate run{seed} --data table.csv --part all --per-row scores.csv"));
        let scores = column(&csv(&lab.text("scores.csv")).1, 1);
        assert_eq!(scores.len(), 178);
        1 + scores.iter().filter(|s| **s > scores[row]).count()
    };
    let ranks: Vec<_> = (0..8).map(rank).collect();
    assert!(ranks.iter().all(|rank| *rank <= 3), "{ranks:?}");
}

/// A column of 0 and 1, one where 1 is rare, and one that is constant: draws stay near what was there.
#[test]
fn draws_of_a_column_of_0_and_1_stay_near_it() {
    let lab = Lab::new();
    let mut data = "a,b,flag,rare,seven\n".to_owned();
    for (i, row) in table(178, 9).iter().enumerate() {
        let (flag, rare) = (u8::from(row[0] > 10.0), u8::from(i == 40));
        data += &format!("{},{},{flag},{rare},7\n", row[0], row[1]);
    }
    lab.write("table.csv", &data);
    let output = lab.run("train --data table.csv --test 0 --validation 0 --epochs 300 --out run");
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    for note in [
        "note: column `seven` has the same value in every training row: it teaches nothing",
        "note: row 41, column `rare`: 1 lies 13 spreads out and alone is 100 % of the column's variance",
    ] {
        assert!(said.contains(note), "{said}");
    }
    lab.run("sample run -n 5000 --draw -o made.csv");
    let made = csv(&lab.text("made.csv")).1;
    for j in [2, 3] {
        let spread = mean_and_spread(&column(&csv(&data).1, j)).1;
        let far = column(&made, j).iter().map(|v| (-v).max(v - 1.0)).fold(0.0, f64::max);
        assert!(far < 5.0 * spread, "column {j}: {far} beyond [0, 1], with a spread of {spread}");
    }
}

/// A cell a million spreads out is named, breaks nothing, and leaves the other columns as they were.
#[test]
fn one_cell_does_not_ruin_the_other_columns() {
    let lab = Lab::new();
    let mut rows = table(178, 4);
    // What share of each column's spread the model does not know, and what the run said.
    let learn = |rows: &[Row]| {
        lab.write("far.csv", text(rows));
        let settings = "--test 0 --validation 0 --epochs 200 --force --out run";
        let said = lab.run(&format!("train --data far.csv {settings}")).stderr;
        let finite = |r: &Value| r["train"]["loss"].is_f64();
        assert!(lab.records("run").iter().all(finite));
        lab.run("reconstruct run --data far.csv --part all -n 178 -o again.csv");
        let again = csv(&lab.text("again.csv")).1;
        let unknown: Vec<f64> = (0..12)
            .map(|j| {
                let real: Vec<f64> = rows.iter().map(|r| r[j]).collect();
                let error: Vec<_> =
                    real.iter().zip(column(&again, j + 1)).map(|(a, b)| a - b).collect();
                mean_and_spread(&error).1 / mean_and_spread(&real).1
            })
            .collect();
        (unknown, String::from_utf8(said).expect("UTF-8"))
    };
    let (clean, said) = learn(&rows);
    assert!(!said.contains("spreads out"), "{said}");
    rows[4][3] = 1e6;
    let (far, said) = learn(&rows);
    let note = "note: row 5, column `d`: 1000000 lies 13 spreads out and alone is 100 % of the column's variance";
    assert!(said.contains(note), "{said}");
    for j in (0..12).filter(|j| *j != 3) {
        assert!(
            far[j] < clean[j] + 0.15,
            "column {j}: {} instead of {} is unknown",
            far[j],
            clean[j]
        );
    }
}

/// A network in place of widths: it is what is learned, what fits the data says nothing of widths then, and
/// widths that are chosen later are meant.
#[test]
fn a_network_stands_in_place_of_widths() {
    let lab = Lab::new();
    lab.write("wine.csv", wine([1.0; 3]));
    lab.write("s.toml", "data = 'wine.csv'\nlabel = 'class'\nnetwork = 'gated=8 dropout=0.2'\n");
    let said = |output: &std::process::Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let output = lab.run("train --config s.toml --stop-after 1 --epochs 1 --out run");
    let fitted = said(&output);
    assert!(fitted.contains("these defaults fit") && !fitted.contains("--hidden"), "{fitted}");
    let layers = |run: &str| {
        lab.json(&format!("info {run}"))["header"]["model"]["levels"][0]["layers"].clone()
    };
    assert_eq!(layers("run"), serde_json::json!(["gated=8", "dropout=0.2"]));
    lab.run("sample run -n 2 -o rows.csv");
    // The run's own file holds both; a flag decides.
    lab.run("train --config run/config.toml --out again");
    assert_eq!(lab.bytes("run/model.safetensors"), lab.bytes("again/model.safetensors"));
    lab.run("train --config run/config.toml --hidden 6 --out widths");
    assert_eq!(layers("widths"), serde_json::json!(["dense=6"]));
    for (args, words) in [
        ("--network dense=8 --hidden 8", "cannot be used with"),
        ("--network dence=8", "known are dense, dropout, gated"),
        ("--network dense=8/dense=4", "--network: has 2 levels, but --latent has 1"),
        ("--network dropout=1", "below 1"),
    ] {
        let output = lab.elbo(&format!("train --data wine.csv --label class {args}")).output();
        let output = output.expect("the program starts");
        assert!(!output.status.success() && said(&output).contains(words), "{}", said(&output));
    }
}

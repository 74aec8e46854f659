//! Conditional models: what rows are given reaches the networks, every command knows of it, and what nobody
//! learned is refused by name.

use crate::failures::{FAILURE, USAGE, assert_refused};
use crate::lab::{Lab, PLAIN};
use crate::tables::{column, csv, mean_and_spread};
use std::fmt::Write;

/// 400 rows of two numbers whose means the colour and the size say: three quarters red, of which a third are
/// large, and all blue ones small. Sizes are numbers.
fn shirts() -> String {
    let mut text = "colour,length,size,width\n".to_owned();
    for i in 0..400 {
        let colour = if i % 4 == 0 { "blue" } else { "red" };
        let size = if i % 4 == 1 { 10 } else { 9 };
        let noise = |k: usize| ((i * 37 + k * 11) as f64 * 0.618_034).fract() - 0.5;
        let length = if colour == "red" { 3.0 } else { -3.0 } + 0.2 * noise(1);
        let width = if size == 10 { 5.0 } else { 1.0 } + 0.2 * noise(2);
        writeln!(text, "{colour},{length},{size},{width}").unwrap();
    }
    text
}

const TRAIN: &str = "--data shirts.csv --condition colour,size --likelihood normal --hidden 16 --latent 2 \
                     --batch-size 32 --lr 0.01 --test 0.1 --validation 0.1 --epochs 40 -q";

fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("shirts.csv", shirts());
    lab.run(&format!("train {TRAIN} --out run"));
    lab
}

fn text(lab: &Lab, args: &str) -> String {
    String::from_utf8(lab.run(args).stdout).expect("UTF-8")
}

#[test]
fn a_table_is_sampled_under_the_classes_that_are_chosen() {
    let lab = lab();
    let info = text(&lab, "info run");
    assert!(info.contains("colour (2 classes), size (2 classes)"), "{info}");

    // Chosen, half chosen, and as in the training rows.
    let sample = |set: &str| csv(&text(&lab, &format!("sample run -n 300 --draw {set} -o -")));
    let (header, rows) = sample("--set colour=blue --set size=10");
    assert_eq!(header, ["colour", "size", "length", "width"]);
    assert!(rows.iter().all(|row| row[..2] == ["blue", "10"]));
    // No training row was blue and large: what the networks have learned of each adds up.
    let of = |rows: &[Vec<String>], j| mean_and_spread(&column(rows, j));
    let (length, spread) = of(&rows, 2);
    assert!(length < -1.0 && spread < 1.0, "{length} ± {spread}");
    let (_, rows) = sample("--set colour=red");
    let large = rows.iter().filter(|row| row[1] == "10").count() as f64 / 300.0;
    assert!((large - 1.0 / 3.0).abs() < 0.1, "{large}");
    assert!((of(&rows, 2).0 - 3.0).abs() < 0.3, "{:?}", of(&rows, 2));
    let (_, rows) = sample("");
    let red = rows.iter().filter(|row| row[0] == "red").count() as f64 / 300.0;
    assert!((red - 0.75).abs() < 0.1, "{red}");
    assert!(rows.iter().all(|row| row[0] == "red" || row[1] == "9"), "all blue ones are small");
    for row in &rows {
        let [length, width] = [2, 3].map(|j| row[j].parse::<f64>().unwrap());
        assert!(
            (length > 0.0) == (row[0] == "red") && (width > 3.0) == (row[1] == "10"),
            "{row:?}"
        );
    }
}

#[test]
fn every_command_passes_on_what_rows_are_given() {
    let lab = lab();
    let judged = lab.json("evaluate run --samples 20 --two-sample --per-row scores.csv");
    // A row that the condition says all of costs what its noise does: 0.2 · U(−½, ½) in two columns, whose
    // standard deviations make −log p of a normal −1.43 each.
    let loss = judged["neg_elbo"].as_f64().unwrap();
    assert!(loss < -2.0, "{judged}");
    assert!(judged["neg_log_px"].as_f64().unwrap() < loss + 0.1, "{judged}");
    assert!(judged["two_sample_auc"].is_number() && judged["mutual_information"].is_number());
    let (header, rows) = csv(&lab.text("scores.csv"));
    assert_eq!(header[..3], ["row", "colour", "size"], "{header:?}");
    assert_eq!(rows.len(), 40);

    // Latents keep the classes, and are decoded under them or under others.
    lab.run("encode run -n 8 -o latents.csv");
    let (_, rows) = csv(&text(&lab, "decode run latents.csv -o -"));
    assert_eq!(rows.iter().map(|r| &r[1][..]).collect::<Vec<_>>()[..3], ["blue", "red", "red"]);
    let lengths = |rows: &[Vec<String>]| column(rows, 3);
    assert!(lengths(&rows).iter().zip(&rows).all(|(l, r)| (*l > 0.0) == (r[1] == "red")));
    let (_, rows) = csv(&text(&lab, "decode run latents.csv --set colour=blue -o -"));
    assert!(lengths(&rows).iter().all(|length| *length < 0.0));
    let (_, rows) = csv(&text(&lab, "reconstruct run --part all -n 8 -o -"));
    assert!(lengths(&rows).iter().zip(&rows).all(|(l, r)| (*l > 0.0) == (r[1] == "red")));

    // From a blue row to a red one the colour goes over, too; a chosen one stays.
    let walk = |more: &str| {
        column(&csv(&text(&lab, &format!("interpolate run --from 1 --to 2 {more} -o -"))).1, 0)
    };
    let lengths = walk("");
    assert!(lengths[0] < -2.0 && lengths[9] > 2.0, "{lengths:?}");
    assert!(walk("--set colour=red").iter().all(|length| *length > 2.0));

    // A run that is resumed is the same as one that was not.
    lab.run(&format!("train {TRAIN} --out parts --stop-after 15"));
    lab.run("train --out parts --resume -q");
    assert_eq!(lab.bytes("run/model.safetensors"), lab.bytes("parts/model.safetensors"));
}

#[test]
fn digits_are_sampled_by_their_labels() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --condition label --epochs 8 --out run -q"));
    assert!(lab.exists("run/samples.png"));
    let mean = |label: usize| {
        column(&csv(&text(&lab, &format!("sample run --label {label} -n 50 -o -"))).1, 300)
    };
    assert!(mean(0) != mean(1));
    // The same latents under two labels differ, so the decoder sees the label.
    let (header, rows) = csv(&text(&lab, "sample run --label 1 -n 3 -o -"));
    assert_eq!((header[0].as_str(), rows[0][0].as_str()), ("label", "1"));
    lab.run("sample run --label 7 --prior fitted:components=2 -o sevens.png");
    lab.run("sample run -o all.png");
    let message = "--label: no training row has the label `11`; they have 0, 1, 2, 3, 4";
    assert_refused(&lab, &[("sample run --label 11 -o -", USAGE, message)]);
}

#[test]
fn what_nobody_learned_is_refused() {
    let lab = lab();
    let more = "colour,length,size,width\nred,3,9,1\npink,3,9,1\nblue,-3,9,1\n";
    lab.write("more.csv", more);
    lab.write("less.csv", "length,size,width\n3,9,1\n");
    lab.write("z.csv", "z1,z2\n0,0\n");
    lab.write("rare.csv", shirts() + "green,0,9,0\n");
    let judged = lab.json("evaluate run --data more.csv");
    assert_eq!((judged["rows"].as_u64(), judged["refused"].as_u64()), (Some(2), Some(1)));
    let output = lab.run("encode run --data more.csv -o z3.csv");
    let note = String::from_utf8_lossy(&output.stderr);
    assert!(
        note.contains("row 2: no training row has the colour `pink`; they have blue, red"),
        "{note}"
    );
    assert_refused(
        &lab,
        &[
            (
                "sample run --set colour=pink -o -",
                USAGE,
                "--set: no training row has the colour `pink`",
            ),
            (
                "sample run --set shape=round -o -",
                USAGE,
                "--set: the model is not given `shape`, but colour, size",
            ),
            ("sample run --set red -o -", USAGE, "--set: `red` is not COLUMN=VALUE"),
            (
                "sample run --set colour=red --set colour=blue -o -",
                USAGE,
                "--set: the colour is chosen twice",
            ),
            ("sample run --label red -o -", USAGE, "--label: the model is not given `label`"),
            ("evaluate run --data less.csv", FAILURE, "less.csv: there is no column `colour`"),
            (
                "decode run z.csv -o -",
                USAGE,
                "condition: the model is given the colour: say which with --set colour=",
            ),
        ],
    );
    let refused = |args: &str, code, message| {
        let train = "train --likelihood normal --hidden 4 --latent 1 --epochs 1 --out other";
        assert_refused(&lab, &[(&format!("{train} {args}"), code, message)]);
    };
    refused(
        "--data shirts.csv --condition shape",
        FAILURE,
        "shirts.csv: there is no column `shape`",
    );
    refused(
        "--data shirts.csv --drop colour --condition label",
        USAGE,
        "condition: the data have no labels",
    );
    let both = "--data shirts.csv --condition colour --columns colour,width";
    refused(both, FAILURE, "is a condition, which is given");
    refused("--data digits:count=20 --condition colour", USAGE, "condition: this data is digits");
    let vamp = "--data shirts.csv --condition colour,size --prior vamp:pseudo-inputs=2";
    refused(vamp, USAGE, "has no condition to encode");
    let rare = "--data rare.csv --condition colour,size --validation 0.9";
    refused(rare, USAGE, "no training row has the colour");
    lab.run(
        "train --data shirts.csv --drop colour --hidden 4 --latent 1 --epochs 1 --out plain -q",
    );
    let message = "--set: the model is given nothing: train one with --condition";
    assert_refused(&lab, &[("sample plain --set colour=red -o -", USAGE, message)]);
}

/// A row's exposure multiplies its counts. Rows of these have e · exp(0.7 ± 0.4 k) of a Poisson for the kind k: the
/// model finds the rates at the mean exposure, generates in proportion, and its bound knows the constants.
#[test]
fn counts_are_learned_in_proportion_to_an_exposure() {
    let lab = Lab::new();
    let rate = |kind: f64| (0.7 + 0.4 * kind).exp();
    let mut rng = lab_rng(3);
    let mut table = "age,kind,visits,years\n".to_owned();
    for i in 0..4000 {
        let (kind, years) = (f64::from(i % 2) * 2.0 - 1.0, [0.5, 1.0, 4.0][i as usize % 3]);
        let visits = poisson(&mut rng, rate(kind) * years);
        // The age says the kind, and is far from 0.
        let age = 40.0 + 10.0 * kind + 5.0 * (rng() - 0.5);
        writeln!(table, "{age},{kind},{visits},{years}").unwrap();
    }
    lab.write("visits.csv", table);
    lab.run(
        "train --data visits.csv --columns visits --condition age=number --exposure years --likelihood poisson \
         --hidden 8 --latent 1 --epochs 30 --lr 0.01 --batch-size 64 --test 0.1 -q --out run",
    );
    let info = text(&lab, "info run");
    assert!(
        info.contains("age (a number, ") && info.contains("years (exposure, 0.5 … 4)"),
        "{info}"
    );
    let sample = |set: &str| {
        let (header, rows) = csv(&text(&lab, &format!("sample run -n 4000 --draw {set} -o -")));
        assert_eq!(header, ["age", "years", "visits"]);
        (mean_and_spread(&column(&rows, 2)).0, rows)
    };
    for (age, kind) in [(50, 1.0), (30, -1.0)] {
        for years in [1.0, 4.0, 20.0] {
            let (mean, rows) = sample(&format!("--set age={age} --set years={years}"));
            let right = rate(kind) * years;
            assert!((mean / right - 1.0).abs() < 0.1, "{age} {years}: {mean} of {right}");
            assert!(rows.iter().all(|row| row[..2] == [age.to_string(), years.to_string()]));
        }
    }
    // Where only one is chosen, the other is a training row's.
    let (_, rows) = sample("--set years=3");
    assert!(rows.iter().all(|row| row[1] == "3"));
    let ages = column(&rows, 0);
    assert!((mean_and_spread(&ages).0 - 40.0).abs() < 1.0 && ages.iter().any(|age| *age > 45.0));

    // log p of the counts that were drawn: the entropy of the Poisson itself, within its error.
    let judged = lab.json("evaluate run --samples 50");
    let entropy = |mean: f64| {
        let (mut sum, mut log_p) = (0.0, -mean);
        for x in 1..200 {
            sum -= log_p * log_p.exp();
            log_p += mean.ln() - f64::from(x).ln();
        }
        sum
    };
    let means = [-1.0, 1.0].map(|k| [0.5, 1.0, 4.0].map(|years| rate(k) * years));
    let right = means.iter().flatten().map(|m| entropy(*m)).sum::<f64>() / 6.0;
    let (found, error) =
        (judged["neg_log_px"].as_f64().unwrap(), judged["neg_log_px_se"].as_f64().unwrap());
    assert!((found - right).abs() < 4.0 * error + 0.02, "{found} ± {error} of {right}");

    let note = String::from_utf8_lossy(&lab.run("sample run --set age=200 -n 1 -o x.csv").stderr)
        .into_owned();
    assert!(note.contains("the age of training rows is from") && note.contains("200"), "{note}");
    lab.write("odd.csv", "age,kind,visits,years\n40,1,3,0\n41,1,3,2\n?,1,3,2\n");
    let judged = lab.json("evaluate run --data odd.csv");
    assert_eq!((judged["rows"].as_u64(), judged["refused"].as_u64()), (Some(1), Some(2)));
    assert_refused(
        &lab,
        &[
            (
                "sample run --set years=0 -o -",
                USAGE,
                "--set: the years `0` is an exposure, and not above 0",
            ),
            ("sample run --set age=old -o -", USAGE, "--set: the age `old` is not a finite number"),
            (
                "train --data visits.csv --columns visits --exposure years --likelihood normal --out other",
                USAGE,
                "exposure: `normal` has no rates",
            ),
            (
                "train --data visits.csv --columns visits --condition kind=number,kind --out other",
                FAILURE,
                "asked for twice",
            ),
        ],
    );
}

/// Uniform numbers below 1, by a generator of its own.
fn lab_rng(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64) / (1u64 << 53) as f64
    }
}

/// A Poisson number: products of uniform ones until they are below e^−mean.
fn poisson(rng: &mut impl FnMut() -> f64, mean: f64) -> u32 {
    let (limit, mut product, mut count) = ((-mean).exp(), rng(), 0);
    while product > limit {
        product *= rng();
        count += 1;
    }
    count
}

//! Tables: columns of any scale in their own units, labels, and the commands that pass rows along.

use crate::lab::{Lab, keys};
use serde_json::Value;

/// 300 rows of three columns that hang together, a word and a label; the columns times `scale`.
pub(crate) fn wine(scale: [f64; 3]) -> String {
    let mut text = "acid,weight,tint,class\n".to_owned();
    for i in 0..300 {
        let noise = |k: usize| ((i * 37 + k * 11) as f64 * 0.618).fract() - 0.5;
        let t = (i as f64 * 0.4142).fract();
        let row =
            [4.0 + 2.0 * t + 0.3 * noise(1), 50.0 - 20.0 * t + noise(2), t * t + 0.1 * noise(3)];
        let class = if t > 0.5 { "red" } else { "white, dry" };
        let cells = [0, 1, 2].map(|j| (row[j] * scale[j]).to_string());
        text += &format!("{},\"{class}\"\n", cells.join(","));
    }
    text
}

const TRAIN: &str = "--label class --likelihood normal --hidden 16 --latent 2 --activation relu --batch-size 32 --lr 0.01 --validation 0";

/// A lab with a table and a model of it.
pub(crate) fn lab() -> Lab {
    let lab = Lab::new();
    lab.write("wine.csv", wine([1.0; 3]));
    lab.run(&format!("train --data wine.csv {TRAIN} --epochs 30 --out run"));
    lab
}

/// The lines of a CSV file: the header, and the cells.
pub(crate) fn csv(text: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    let rows = reader.records().map(|r| r.expect("a line").iter().map(str::to_owned).collect());
    (header, rows.collect())
}

pub(crate) fn column(rows: &[Vec<String>], j: usize) -> Vec<f64> {
    rows.iter().map(|r| r[j].parse().unwrap_or_else(|e| panic!("{}: {e}", r[j]))).collect()
}

pub(crate) fn mean_and_spread(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt())
}

#[test]
fn a_columns_scale_moves_the_loss_by_its_logarithm_and_nothing_else() {
    let lab = Lab::new();
    lab.write("one.csv", wine([1.0; 3]));
    lab.write("other.csv", wine([1e6, 1.0, 1e-3]));
    for data in ["one", "other"] {
        lab.run(&format!("train --data {data}.csv {TRAIN} --epochs 20 --out {data}"));
    }
    let losses = |run| -> Vec<f64> {
        let loss = |r: &Value| r["test"]["loss"].as_f64().expect("a number");
        lab.records(run).iter().map(loss).collect()
    };
    let (one, other) = (losses("one"), losses("other"));
    assert!(one[19] < one[0] - 0.5, "it learns: {one:?}");
    for (a, b) in one.iter().zip(&other) {
        assert!((b - a - 1e3f64.ln()).abs() < 2e-3, "{a} {b}");
    }
    // Left as they are, such columns cannot be learned together.
    let raw = format!("train --data other.csv {TRAIN} --epochs 20 --standardize no --out raw");
    let output = lab.elbo(&raw).output().expect("runs");
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        error.contains("at step 1: show columns in units of their spread (--standardize yes)"),
        "{error}"
    );
    let judged = lab.json("evaluate other --data other.csv --samples 200");
    let number = |name: &str| judged[name].as_f64().expect(name);
    assert!(number("neg_log_px") <= number("neg_elbo") + 0.05, "{judged}");
    assert!((number("loss") - other[19]).abs() < 1e-4 * other[19].abs());
}

#[test]
fn rows_come_back_in_their_own_units() {
    let lab = Lab::new();
    lab.write("wine.csv", wine([1e6, 1.0, 1e-6]));
    lab.run(&format!("train --data wine.csv {TRAIN} --epochs 60 --out run"));
    let (_, data) = csv(&lab.text("wine.csv"));
    lab.run("sample run -n 2000 --draw -o made.csv");
    let (header, made) = csv(&lab.text("made.csv"));
    assert_eq!((header.join(","), made.len()), ("acid,weight,tint".to_owned(), 2000));
    lab.run("reconstruct run --data wine.csv --part all -n 300 -o again.csv");
    let (_, again) = csv(&lab.text("again.csv"));
    for j in 0..3 {
        // A reconstruction's line begins with its row and label.
        let [real, made, again] =
            [(&data, j), (&made, j), (&again, j + 2)].map(|(r, j)| column(r, j));
        let ((mean, spread), (made_mean, made_spread)) =
            (mean_and_spread(&real), mean_and_spread(&made));
        assert!((made_mean - mean).abs() < 0.3 * spread, "{j}: {made_mean} for {mean}");
        assert!((0.6..1.5).contains(&(made_spread / spread)), "{j}: {made_spread} for {spread}");
        let error: Vec<_> = real.iter().zip(&again).map(|(a, b)| a - b).collect();
        assert!(mean_and_spread(&error).1 < 0.5 * spread, "{j} is not reconstructed");
    }
    // A mean has less spread than what it is the mean of.
    lab.run("sample run -n 2000 -o means.csv");
    let means = column(&csv(&lab.text("means.csv")).1, 2);
    assert!(mean_and_spread(&means).1 < mean_and_spread(&column(&made, 2)).1);
    lab.run("sample run -n 500 --temperature 0 -o cold.csv");
    let cold = column(&csv(&lab.text("cold.csv")).1, 0);
    assert!(cold.iter().all(|v| *v == cold[0]), "temperature 0 is the prior's mean");
    // Arrays hold doubles where columns have units.
    lab.run("sample run -n 5 -o made.npy");
    let bytes = lab.bytes("made.npy");
    assert!(
        String::from_utf8_lossy(&bytes[..80]).contains("<f8") && bytes.len() == 128 + 5 * 3 * 8
    );
}

#[test]
fn latents_keep_labels_and_can_be_decoded() {
    let lab = lab();
    lab.run("encode run --data wine.csv --std -o z.csv");
    let (header, rows) = csv(&lab.text("z.csv"));
    assert_eq!(header, ["row", "label", "z1", "z2", "std1", "std2"]);
    assert_eq!(rows.len(), 300);
    let (_, data) = csv(&lab.text("wine.csv"));
    assert!(
        rows.iter()
            .zip(&data)
            .enumerate()
            .all(|(i, (z, x))| z[0] == (i + 1).to_string() && z[1] == x[3])
    );
    assert!(column(&rows, 4).iter().all(|s| *s > 0.0 && *s < 1.5));

    // Through a pipe: what goes in comes out as its reconstruction.
    let encoded = lab.run("encode run --data wine.csv -o -");
    assert!(String::from_utf8_lossy(&encoded.stderr).contains("300 encoded rows"));
    let decoded = lab.elbo("decode run - -o -").write_stdin(encoded.stdout).output().expect("runs");
    assert!(decoded.status.success(), "{}", String::from_utf8_lossy(&decoded.stderr));
    lab.run("reconstruct run --data wine.csv --part all -n 300 -o again.csv");
    let (decoded, again) =
        (csv(&String::from_utf8(decoded.stdout).expect("UTF-8")), csv(&lab.text("again.csv")));
    assert_eq!(decoded.0, again.0);
    assert_eq!(decoded.0, ["row", "label", "acid", "weight", "tint"]);
    assert!((0..300).all(|i| decoded.1[i][..2] == rows[i][..2] && again.1[i][..2] == rows[i][..2]));
    for j in 2..5 {
        let (a, b) = (column(&decoded.1, j), column(&again.1, j));
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-4 * a.abs()), "{j}");
    }

    // As an array, and back.
    lab.run("encode run --data wine.csv -n 7 -o z.npy");
    lab.run("decode run z.npy --draw -o seven.csv");
    assert_eq!(csv(&lab.text("seven.csv")).1.len(), 7);

    // The ends of a walk are reconstructions.
    lab.run("interpolate run --data wine.csv --from 4 --to 201 --steps 5 -o walk.csv");
    let walk = csv(&lab.text("walk.csv")).1;
    let near = |a: &str, b: &str| {
        let (a, b): (f64, f64) = (a.parse().expect("a"), b.parse().expect("b"));
        (a - b).abs() < 1e-4 * a.abs()
    };
    for (step, row) in [(0, 3), (4, 200)] {
        assert!(walk[step].iter().zip(&again.1[row][2..]).all(|(a, b)| near(a, b)), "{step}");
    }
}

#[test]
fn every_row_has_its_own_score_and_keeps_it() {
    let lab = lab();
    let judged = lab.json("evaluate run --data wine.csv --per-row scores.csv --samples 20");
    let (header, rows) = csv(&lab.text("scores.csv"));
    let scores = ["row", "label", "neg_elbo", "reconstruction", "kl", "neg_elbo_se"];
    let estimates = ["neg_log_px", "neg_log_px_se", "effective_samples", "largest_weight", "k_hat"];
    assert_eq!(header, [&scores[..], &estimates].concat());
    assert_eq!(rows.len(), 30, "the test rows");
    for (j, name) in [(2, "neg_elbo"), (3, "reconstruction"), (4, "kl"), (6, "neg_log_px")] {
        let mean = mean_and_spread(&column(&rows, j)).0;
        assert!((mean - judged[name].as_f64().expect(name)).abs() < 1e-4, "{name}");
    }
    lab.run("evaluate run --data wine.csv --per-row again.csv --samples 20 --threads 1");
    assert_eq!(lab.text("scores.csv"), lab.text("again.csv"));

    // An odd row has a high score.
    let odd =
        lab.text("wine.csv").lines().take(50).collect::<Vec<_>>().join("\n") + "\n9,45,-4,red\n";
    lab.write("odd.csv", odd);
    lab.run("evaluate run --data odd.csv --per-row odd-scores.csv");
    let scores = column(&csv(&lab.text("odd-scores.csv")).1, 2);
    let (last, others) = scores.split_last().expect("scores");
    assert!(others.iter().all(|s| s < last), "{last} among {others:?}");
}

#[test]
fn columns_are_found_by_name() {
    let lab = lab();
    let (_, rows) = csv(&lab.text("wine.csv"));
    let mut shuffled = "tint;notes;acid;weight\n".to_owned();
    for row in &rows {
        shuffled += &format!("{};fine;{};{}\n", row[2], row[0], row[1]);
    }
    lab.write("shuffled.csv", shuffled);
    let whole = lab.json("evaluate run --data wine.csv --part all");
    assert_eq!(lab.json("evaluate run --data shuffled.csv --part all"), whole);
    assert_eq!(whole["rows"], 300);
}

#[test]
fn the_settings_of_a_run_make_it_again() {
    let lab = lab();
    let settings =
        "--validation 0.2 --patience 9 --columns tint,acid --label class --header yes --lr 0.003";
    lab.run(&format!(
        "train --data wine.csv --likelihood normal --hidden 8 --latent 2 --epochs 4 {settings} --out first"
    ));
    lab.run("train --config first/config.toml --out second");
    for file in ["model.safetensors", "config.toml", "checkpoint.safetensors"] {
        assert_eq!(
            lab.bytes(&format!("first/{file}")),
            lab.bytes(&format!("second/{file}")),
            "{file}"
        );
    }
    // A flag overrides the file.
    lab.run("train --config first/config.toml --epochs 2 --out third");
    assert_eq!(lab.epochs("third"), 2);
}

#[test]
fn standard_input_is_data_like_any_other() {
    let lab = Lab::new();
    let train = format!("train --data - {TRAIN} --epochs 2");
    let output = lab.elbo(&train).write_stdin(wine([1.0; 3])).output().expect("runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    lab.write("wine.csv", wine([1.0; 3]));
    lab.run(&format!("train --data wine.csv {TRAIN} --epochs 2 --out file"));
    assert_eq!(lab.bytes("runs/stdin/model.safetensors"), lab.bytes("file/model.safetensors"));
    // It cannot be read again.
    let output = lab.elbo("encode runs/stdin -o z.csv").output().expect("runs");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("--data: the model was trained on standard input; name the data"));
    lab.run("encode runs/stdin --data wine.csv -o z.csv");
}

#[test]
fn what_is_extreme_but_valid_works() {
    let lab = Lab::new();
    let run = |name: &str, data: String, args: &str| {
        lab.write("data.csv", data);
        let mut base = "train --data data.csv --hidden 8".to_owned();
        for default in ["--likelihood normal", "--latent 2"] {
            let flag = default.split(' ').next().expect("a flag");
            if !args.contains(flag) {
                base += &format!(" {default}");
            }
        }
        let output = lab.run(&format!("{base} --epochs 3 --out {name} {args}"));
        let finite = lab.records(name).iter().all(|r| r["train"]["loss"].is_f64());
        assert!(finite, "{name}: a loss is not finite");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let plain = || -> String {
        let numbers = |line: &str| line.rsplit_once(",").map(|(rest, _)| rest.to_owned());
        // The label may hold a comma itself.
        let lines = wine([1.0; 3]).replace("white, dry", "white");
        lines.lines().filter_map(numbers).map(|l| l + "\n").collect()
    };
    run("one-latent", plain(), "--latent 1");
    run("thousand-latents", plain(), "--latent 1000");
    run("large-batch", plain(), "--batch-size 100000");
    run("one-row", "a,b\n1,2\n".to_owned(), "--test 0");
    run("one-column", "a\n1\n2\n5\n".to_owned(), "--test 0");
    run("no-header", "1,2\n3,5\n4,1\n".to_owned(), "--test 0");
    let constant: String =
        "a,b\n".to_owned() + &(0..40).map(|i| format!("{i},7\n")).collect::<String>();
    let said = run("constant", constant.clone(), "--lr 0.05");
    assert!(said.contains("`b` has the same value in every training row"), "{said}");
    let said = run("constant-fixed", constant, "--likelihood normal:variance=1");
    assert!(said.contains("teaches nothing") && !said.contains("without bound"), "{said}");
    run("huge", "a,b\n1e30,1\n2e30,2\n3e30,0\n".to_owned(), "--test 0");
    run("tiny", "a,b\n1e-100,1\n2e-100,2\n3e-100,0\n".to_owned(), "--test 0");
    run("bits", "a,b\n0,1\n1,0\n1,1\n0,0\n".to_owned(), "--test 0 --likelihood bernoulli");
    assert_eq!(keys(&lab.json("sample huge -n 3 -o huge.csv")), ["output", "rows"]);
    assert!(column(&csv(&lab.text("huge.csv")).1, 0).iter().all(|v| (-1e32..1e32).contains(v)));
}

//! What commands print and write when all goes well.

use crate::lab::{FILES, Lab, PLAIN, idx, keys, table};
use serde_json::{Value, json};
use std::io::Cursor;

#[test]
fn a_run_leaves_six_files_and_reports_itself() {
    let lab = Lab::new();
    let result = lab.json(&format!("train {PLAIN} --epochs 3 --out run"));
    let names = "diagnosis epochs finished heldout out rows_per_second seconds wall_seconds";
    assert_eq!(keys(&result), names.split(' ').collect::<Vec<_>>());
    assert_eq!(result["finished"], true);
    // A person's time holds that of the steps.
    assert!(number(&result, "/wall_seconds") > number(&result, "/seconds"), "{result}");
    assert_eq!(keys(&result["heldout"]), ["kl", "loss", "reconstruction"]);
    assert_eq!((&result["out"], &result["epochs"]), (&json!("run"), &json!(3)));

    let mut files: Vec<_> = std::fs::read_dir(lab.path("run"))
        .expect("the run's folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    files.sort();
    assert_eq!(files, FILES);

    let records = lab.records("run");
    assert_eq!(records.len(), 3);
    for (i, record) in records.iter().enumerate() {
        let names = "beta epoch learning_rate rows_per_second seconds step test train validation";
        assert_eq!(keys(record), names.split(' ').collect::<Vec<_>>());
        assert_eq!(keys(&record["train"]), ["kl", "loss", "reconstruction"]);
        // 500 rows in batches of 64 are 8 steps.
        assert_eq!((&record["epoch"], &record["step"]), (&json!(i + 1), &json!(8 * (i + 1))));
        assert_eq!(record["validation"], Value::Null);
    }
    // Without validation the last weights are kept, so the last line is the result.
    assert_eq!(records[2]["test"], result["heldout"]);
    assert!(number(&records[2], "/train/loss") < number(&records[0], "/train/loss"));
}

fn number(value: &Value, pointer: &str) -> f64 {
    value.pointer(pointer).and_then(Value::as_f64).unwrap_or_else(|| panic!("{pointer}: {value}"))
}

const EVALUATED: [&str; 28] = [
    "active_latents",
    "bits_per_dim",
    "draws",
    "effective_samples",
    "gap",
    "k_hat",
    "kl",
    "kl_per_latent",
    "largest_weight",
    "loss",
    "mutual_information",
    "mutual_information_ceiling",
    "neg_elbo",
    "neg_elbo_rows_se",
    "neg_elbo_se",
    "neg_log_px",
    "neg_log_px_interval",
    "neg_log_px_rows_se",
    "neg_log_px_se",
    "no_error_bar",
    "proposal",
    "reconstruction",
    "refused",
    "remarks",
    "rows",
    "samples",
    "two_sample_auc",
    "two_sample_auc_se",
];

/// `EVALUATED` and more keys, sorted.
fn and(more: &[&'static str]) -> Vec<&'static str> {
    let mut all = [&EVALUATED[..], more].concat();
    all.sort_unstable();
    all
}

#[test]
fn evaluate_repeats_what_training_logged() {
    let lab = Lab::new();
    let variants = [
        ("grey", PLAIN.to_owned()),
        ("best", format!("{PLAIN} --validation 0.2 --average 0.9 --binarize static")),
        ("iwae", format!("{PLAIN} --objective iwae --samples 3 --binarize dynamic")),
        ("levels", format!("{} --latent 6/3", PLAIN.replace("--latent 4", ""))),
    ];
    for (run, settings) in variants {
        let logged = lab.json(&format!("train {settings} --epochs 2 --out {run}"));
        let judged = lab.json(&format!("evaluate {run}"));
        let (logged, loss) = (number(&logged, "/heldout/loss"), number(&judged, "/loss"));
        assert!((logged - loss).abs() <= 1e-6 * logged.abs(), "{run}: {logged} and {loss}");
        if run != "iwae" {
            // One draw a row is the training's; more are near it.
            let once = number(&lab.json(&format!("evaluate {run} --draws 1")), "/neg_elbo");
            assert!((logged - once).abs() <= 1e-6 * logged.abs(), "{run}: {logged} and {once}");
            let (mean, error) = (number(&judged, "/neg_elbo"), number(&judged, "/neg_elbo_se"));
            // The 128 draws have a twelfth of one draw's error.
            assert!((mean - logged).abs() < 4.0 * 128f64.sqrt() * error, "{run}: {judged}");
        }
    }
}

#[test]
fn evaluate_says_why_there_is_no_likelihood() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 1 --out run"));
    let judged = lab.json("evaluate run --samples 20");
    assert_eq!(keys(&judged), and(&["reason"]));
    for absent in ["bits_per_dim", "neg_log_px", "neg_log_px_se", "samples", "k_hat"] {
        assert_eq!(judged[absent], Value::Null, "{absent}");
    }
    assert!(judged["reason"].as_str().expect("a sentence").contains("grey"));
    assert_eq!(judged["rows"], 100);
    assert_eq!(lab.json("evaluate run --limit 7")["rows"], 7);
}

#[test]
fn evaluate_estimates_the_likelihood_of_binary_data() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 2 --binarize static --out run"));
    let bound = lab.json("evaluate run");
    assert_eq!(keys(&bound), and(&["differential", "reason"]));
    assert!(bound["reason"].as_str().expect("a sentence").contains("--samples"));

    let judged = lab.json("evaluate run --samples 50");
    assert_eq!(keys(&judged), and(&["differential"]));
    assert_eq!((&judged["samples"], &judged["differential"]), (&json!(50), &json!(false)));
    assert_eq!(judged["proposal"], "posterior");
    let value = number(&judged, "/neg_log_px");
    let error = number(&judged, "/neg_elbo_se");
    assert!(error > 0.0 && value < number(&judged, "/neg_elbo") + 4.0 * error, "{judged}");
    let effective = number(&judged, "/effective_samples/median");
    assert!((1.0..=50.0).contains(&effective) && number(&judged, "/largest_weight") >= 0.02);
    let bits = value / (784.0 * std::f64::consts::LN_2);
    assert!((number(&judged, "/bits_per_dim") - bits).abs() < 1e-12);
    // The noise is addressed: asked again, it answers the same.
    assert_eq!(lab.json("evaluate run --samples 50 --threads 1"), judged);
}

#[test]
fn data_from_files_have_their_roles() {
    let lab = Lab::new();
    lab.write("table.npy", table());
    let mut other = table();
    let train = "train --data table.npy --likelihood normal --hidden 8 --latent 2 --epochs 2";
    lab.json(&format!("{train} --test 0.25 --validation 0.2 --out table"));
    let judged = lab.json("evaluate table --data table.npy");
    assert_eq!((&judged["rows"], &judged["differential"]), (&json!(15), &json!(true)));
    assert!(!lab.exists("table/samples.png"), "a table has no pictures");

    // Other rows have no test part: all of them are judged.
    *other.last_mut().expect("a value") ^= 1;
    lab.write("other.npy", other);
    assert_eq!(lab.json("evaluate table --data other.npy")["rows"], 60);

    // No test rows, no held-out loss.
    let result = lab.json(&format!("{train} --test 0 --out whole"));
    assert_eq!(result["heldout"], Value::Null);

    // MNIST's files bring their own test part.
    std::fs::create_dir(lab.path("mnist")).expect("a new folder");
    for (part, rows) in [("train", 40u32), ("t10k", 9)] {
        let pixels: Vec<u8> = (0..rows * 20).map(|i| (i * 37) as u8).collect();
        lab.write(&format!("mnist/{part}-images-idx3-ubyte"), idx(&[rows, 4, 5], &pixels));
        let labels: Vec<u8> = (0..rows).map(|i| i as u8 % 10).collect();
        lab.write(&format!("mnist/{part}-labels-idx1-ubyte"), idx(&[rows], &labels));
    }
    lab.run("train --data mnist --hidden 8 --latent 2 --epochs 1");
    assert_eq!(lab.json("evaluate runs/mnist --data mnist/")["rows"], 9);
    assert_eq!(lab.json("info runs/mnist")["header"]["image"], json!([4, 5, 1]));
    // All rows of its training file were learned: none may be taken for test rows later.
    let one = lab.run("evaluate runs/mnist --data mnist/train-images-idx3-ubyte");
    let said = String::from_utf8(one.stderr).expect("UTF-8");
    assert!(said.contains("these are the rows it learned from"), "{said}");
}

#[test]
fn pictures_and_arrays_can_be_read() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 1 --out run"));
    lab.run("sample run -n 12 -o made.png");
    lab.run("reconstruct run -n 12 -o again.png");
    for file in ["run/samples.png", "run/reconstructions.png", "made.png", "again.png"] {
        let mut picture =
            png::Decoder::new(Cursor::new(lab.bytes(file))).read_info().expect("a PNG");
        let mut pixels = vec![0; picture.output_buffer_size().expect("a small picture")];
        let info = picture.next_frame(&mut pixels).expect("whole");
        assert!(info.width > 28 && info.height > 28, "{file}");
        let ink = pixels.iter().filter(|p| **p > 128).count();
        assert!(ink > 0 && ink < pixels.len(), "{file} is all of one colour");
    }

    lab.run("sample run -n 5 -o made.npy");
    let result = lab.json("reconstruct run -n 1000 -o again.npy");
    // There are 100 test rows, and no more are promised.
    assert_eq!(result, json!({"output": "again.npy", "refused": 0, "rows": 100}));
    for (file, rows) in [("made.npy", 5), ("again.npy", 100)] {
        let bytes = lab.bytes(file);
        assert!(bytes.starts_with(b"\x93NUMPY\x01\x00"));
        let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let header: String = String::from_utf8_lossy(&bytes[10..end]).split_whitespace().collect();
        assert!(end.is_multiple_of(64) && header.contains("'descr':'<f4'"), "{header}");
        assert!(header.contains("'fortran_order':False"), "{header}");
        assert!(header.contains(&format!("'shape':({rows},28,28")), "{header}");
        let values: Vec<_> = bytes[end..]
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes(b.try_into().expect("four bytes")))
            .collect();
        assert_eq!(values.len(), rows * 784);
        assert!(values.iter().all(|v| (0.0..=1.0).contains(v)), "{file} holds no probabilities");
    }

    // A seed is a set of samples, of which a smaller count is the beginning.
    lab.run("sample run -n 3 -o few.npy");
    let tail = |file, n: usize| lab.bytes(file)[lab.bytes(file).len() - n * 3136..].to_vec();
    assert_eq!(tail("made.npy", 5)[..3 * 3136], tail("few.npy", 3));
    lab.run("sample run -n 3 --seed 1 -o other.npy");
    assert_ne!(tail("other.npy", 3), tail("few.npy", 3));
}

#[test]
fn check_proves_the_gradients() {
    let lab = Lab::new();
    // `tests/gradients.rs` runs all there are.
    let result = lab.json("check distribution");
    assert_eq!(keys(&result), ["checks", "failed", "points", "redrawn", "tolerance"]);
    assert_eq!(result["failed"], 0);
    let all = result["checks"].as_array().expect("a list").len();
    let some = lab.json("check bernoulli")["checks"].as_array().expect("a list").len();
    assert!((1..all).contains(&some), "{some} of {all}");
}

#[test]
fn info_tells_what_a_model_is() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 1 --out run"));
    let text = String::from_utf8(lab.run("info run").stdout).expect("UTF-8");
    for part in ["28 × 28", "bernoulli", "digits:count=500", "encoder.0.head.weight", "[8, 24]"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let info = lab.json("info run/model.safetensors");
    assert_eq!(keys(&info), ["header", "parameters", "tensors"]);
    // Two networks of one hidden layer: D·H + H + 2Z·H + 2Z and back Z·H + H + H·D + D.
    let count = 784 * 24 + 24 + 8 * 24 + 8 + 4 * 24 + 24 + 24 * 784 + 784;
    assert_eq!(info["parameters"], count);
}

#[test]
fn quiet_is_quiet() {
    let lab = Lab::new();
    lab.write("table.npy", table());
    for command in [
        &format!("train {PLAIN} --epochs 2 --out run"),
        "train --resume --epochs 3 --out run",
        "train --data table.npy --epochs 1 --hidden 4 --latent 2 --out table",
        "evaluate run --samples 5",
        "sample run -o s.png",
        "reconstruct run -o r.npy",
        "info run",
        "check relu",
    ] {
        let output = lab.run(&format!("{command} --quiet"));
        assert!(output.stderr.is_empty(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{command}: the result is missing");
    }
}

#[test]
fn pipes_get_no_bars_and_no_colours() {
    let lab = Lab::new();
    let output = lab.run(&format!("train {PLAIN} --epochs 2 --out run"));
    let text = [output.stdout, output.stderr].concat();
    assert!(!text.iter().any(|b| matches!(b, 0x1b | b'\r')), "control characters in a pipe");
}

#[test]
fn a_model_does_not_know_where_it_was_made() {
    let lab = Lab::new();
    lab.write("secret.npy", table());
    let (data, out) = (lab.path("secret.npy"), lab.path("run"));
    let settings = "--likelihood normal --hidden 4 --latent 2 --epochs 2 --threads 2";
    lab.run(&format!("train --data {} --out {} {settings}", data.display(), out.display()));
    let model = lab.bytes("run/model.safetensors");
    let text = String::from_utf8_lossy(&model);
    let folder = lab.path("").file_name().expect("a name").to_string_lossy().into_owned();
    for private in [&folder, "secret", "thread", "seconds"] {
        assert!(!text.contains(private), "{private} is in the model file");
    }

    // Nor does the name of the data change a bit.
    lab.write("other.npy", table());
    lab.run(&format!("train --data other.npy --out other {settings}"));
    assert!(lab.bytes("other/model.safetensors") == model);
}

#[test]
fn moved_data_can_be_named_anew() {
    let lab = Lab::new();
    lab.write("here.npy", table());
    let settings = "--likelihood normal --hidden 4 --latent 2 --epochs 4";
    lab.run(&format!("train --data here.npy {settings} --out straight"));
    lab.run(&format!("train --data here.npy {settings} --stop-after 2 --out moved"));
    std::fs::rename(lab.path("here.npy"), lab.path("there.npy")).expect("the file moves");
    lab.run("train --resume --data there.npy --out moved");
    assert!(lab.bytes("straight/model.safetensors") == lab.bytes("moved/model.safetensors"));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 1 --out run"));
    let mut child = lab.start(&["info", "run"]);
    drop(child.stdout.take()); // what `| head -0` does
    let output = child.wait_with_output().expect("a child of ours");
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn shells_and_manuals_get_what_they_want() {
    let lab = Lab::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script =
            String::from_utf8(lab.run(&format!("completions {shell}")).stdout).expect("UTF-8");
        assert!(script.contains("interpolate") && script.contains("per-row"), "{shell}");
    }
    let page = String::from_utf8(lab.run("man").stdout).expect("UTF-8");
    assert!(page.contains(".TH elbo 1") && page.contains("SUBCOMMANDS"));
    lab.run("man --out .");
    assert!(lab.text("elbo-train.1").contains("standardize") && lab.exists("elbo.1"));
}

#[test]
fn a_settings_file_serves_every_command_and_flags_override_it() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 1 --out run"));
    lab.write("s.toml", "output = 'a.csv'\ncount = 4\ntemperature = 0.5\ndraw = true\n");
    lab.run("sample run --config s.toml");
    lab.run("sample run -n 4 --temperature 0.5 --draw -o b.csv");
    assert_eq!(lab.text("a.csv"), lab.text("b.csv"));
    lab.run("sample run --config s.toml -n 2 -o c.csv");
    assert_eq!(lab.text("c.csv").lines().count(), 3);
}

#[test]
fn json_leaves_standard_output_to_rows() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 1 --out run"));
    for args in ["sample run -n 2 -o - --json", "evaluate run --per-row - --json --quiet"] {
        let output = lab.run(args);
        let last = String::from_utf8(output.stderr).expect("UTF-8");
        let json: Value = serde_json::from_str(last.lines().last().expect("a line")).expect(args);
        assert!(json["rows"].is_u64(), "{json}");
        assert!(!String::from_utf8(output.stdout).expect("UTF-8").contains('{'));
    }
}

#[cfg(unix)]
#[test]
fn what_is_replaced_keeps_its_link_and_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 1 --out run"));
    lab.write("target.csv", "old");
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(lab.path("target.csv"), private).expect("a file of ours");
    std::os::unix::fs::symlink("target.csv", lab.path("link.csv")).expect("a link");
    lab.run("sample run -n 2 -o link.csv");
    assert!(std::fs::symlink_metadata(lab.path("link.csv")).expect("a link").is_symlink());
    assert_eq!(lab.text("target.csv").lines().count(), 3);
    let mode = std::fs::metadata(lab.path("target.csv")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

/// Behind a flow the spread has no closed form: asked for, it is refused by name; all else is there.
#[test]
fn a_spread_that_is_not_known_is_refused() {
    let lab = Lab::new();
    let members = "--posterior planar:steps=2 --prior mixture:components=3";
    lab.run(&format!("train {PLAIN} {members} --epochs 1 --out run"));
    lab.run("encode run -o z.csv");
    lab.run("sample run -n 3 --temperature 0.5 -o rows.csv");
    lab.run("evaluate run");
    let output = lab.elbo("encode run --std -o z.csv").output().expect("the program starts");
    let said = String::from_utf8_lossy(&output.stderr);
    let refused = "--std: the spread of the posterior `planar:steps=2` is not known in closed form";
    assert!(!output.status.success() && said.contains(refused), "{said}");
}

//! The same run gives the same bytes: for any number of threads, and stopped and resumed.

use crate::failures::{USAGE, assert_refused};
use crate::lab::{Lab, PLAIN};

/// Every piece of state that a checkpoint has: two levels, several samples, coins thrown anew in each
/// epoch, a clipped gradient, β on its way up, a moving average, the best weights and the patience.
pub(crate) const EVERYTHING: &str = "--data digits:count=500 --validation 0.2 --binarize dynamic --objective iwae --samples 3 \
     --hidden 24,16/12 --latent 6/3 --skip both --average 0.9 --clip 5 --patience 4 --warmup 2 \
     --weight-decay 0.01 --batch-size 32";

/// A prior that encodes the training rows.
const EXEMPLARS: &str = "--data digits:count=500 --binarize dynamic --objective iwae --samples 2 --hidden 24 \
     --latent 5 --prior exemplar:neighbours=3 --batch-size 32";

/// A prior that encodes inputs of its own, on latents inferred from the top down.
const TOP_DOWN: &str = "--data digits:count=500 --binarize static --objective dreg --samples 2 --hidden 24/12 \
     --latent 6/3 --inference top-down --skip down --prior vamp:pseudo-inputs=9 --batch-size 32";

#[test]
fn threads_do_not_change_a_bit() {
    let lab = Lab::new();
    for (name, settings) in [
        ("plain", PLAIN),
        ("everything", EVERYTHING),
        ("top-down", TOP_DOWN),
        ("exemplars", EXEMPLARS),
    ] {
        let run = |threads: usize| {
            let out = format!("{name}{threads}");
            lab.run(&format!("train {settings} --epochs 3 --out {out} --threads {threads}"));
            out
        };
        let one = run(1);
        for threads in [2, 4] {
            lab.assert_same_run(&one, &run(threads));
        }
    }
}

/// The averages of a batch normalisation belong to a checkpoint, decay with no weights, and are all that a row's
/// score knows of other rows.
#[test]
fn averages_of_batches_go_on_and_serve_each_row() {
    let lab = Lab::new();
    lab.write(
        "norm.toml",
        "data = 'digits:count=500'\nbinarize = 'static'\nnetwork = 'dense=24 batch-norm'\nlatent = '5'\n\
         weight-decay = 0.1\nbatch-size = 33\n",
    );
    let train = "train --config norm.toml --epochs 4";
    lab.run(&format!("{train} --threads 1 --out straight"));
    lab.run(&format!("{train} --threads 2 --stop-after 2 --out stopped"));
    lab.run("train --resume --out stopped");
    lab.assert_same_run("straight", "stopped");
    let tensors = lab.json("info straight")["tensors"].to_string();
    assert!(tensors.contains("encoder.0.layers.1.running_var"), "{tensors}");
    lab.run("evaluate straight --per-row all.csv");
    lab.run("evaluate straight --per-row one.csv --limit 1");
    let (all, one) = (lab.text("all.csv"), lab.text("one.csv"));
    assert_eq!(one.lines().count(), 2);
    assert!(all.starts_with(&one), "{one} is not the beginning of {all}");
}

#[test]
fn a_finished_run_goes_on_when_epochs_are_raised() {
    let lab = Lab::new();
    for (name, settings) in [("plain", PLAIN), ("everything", EVERYTHING)] {
        let (straight, extended) = (format!("{name}-straight"), format!("{name}-extended"));
        lab.run(&format!("train {settings} --epochs 6 --out {straight}"));
        lab.run(&format!("train {settings} --epochs 3 --out {extended}"));
        lab.run(&format!("train --resume --epochs 6 --out {extended}"));
        lab.assert_same_run(&straight, &extended);
    }
}

#[test]
fn a_stopped_run_goes_on_as_if_nothing_had_been() {
    let lab = Lab::new();
    let schedules = ["constant", "cosine", "step:every=2,factor=0.5"];
    for (name, settings) in [("plain", PLAIN), ("everything", EVERYTHING), ("exemplars", EXEMPLARS)]
    {
        // What a prior retrieves knows of no schedule.
        let count = if name == "exemplars" { 1 } else { schedules.len() };
        for schedule in &schedules[..count] {
            let all = format!("train {settings} --epochs 6 --schedule {schedule}");
            let (straight, stopped) =
                (format!("{name}-{schedule}"), format!("{name}-{schedule}-stopped"));
            lab.run(&format!("{all} --out {straight}"));
            lab.run(&format!("{all} --stop-after 3 --out {stopped}"));
            assert_eq!(lab.epochs(&stopped), 3);
            // To be stopped where it stands is no reason to train.
            lab.run(&format!("train --resume --stop-after 2 --out {stopped}"));
            assert_eq!(lab.epochs(&stopped), 3);
            lab.run(&format!("train --resume --stop-after 5 --out {stopped}"));
            assert_eq!(lab.epochs(&stopped), 5);
            lab.run(&format!("train --resume --out {stopped}"));
            lab.assert_same_run(&straight, &stopped);
        }
    }
}

/// Stages change the objective, the batch and the rate where one ends: within, at and behind its end a run can be stopped.
#[test]
fn stages_follow_each_other() {
    let lab = Lab::new();
    lab.write(
        "run.toml",
        "data = 'digits:count=100'\nhidden = '8'\nlatent = '2'\nlr = 0.01\nwarmup = 2\naverage = 0.9\nepochs = 2\n\
         then = [\n'epochs=2 objective=iwae samples=3 batch-size=16 schedule=cosine',\n\
         'epochs=1 samples=5 lr=0.001 schedule=constant',\n]\n",
    );
    let train =
        |out: &str, more: &str| lab.run(&format!("train --config run.toml -q --out {out} {more}"));
    train("straight", "");
    let records = lab.records("straight");
    let of = |key: &str| records.iter().map(|r| r[key].as_f64().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("epoch"), [1.0, 2.0, 3.0, 4.0, 5.0]);
    // 100 rows in a batch of 128, then in seven of 16.
    assert_eq!(of("step"), [1.0, 2.0, 9.0, 16.0, 23.0]);
    let rates = of("learning_rate");
    assert_eq!((rates[1], rates[4]), (0.01, 0.001));
    let last = 0.005 * (1.0 + (std::f64::consts::PI * 13.0 / 14.0).cos());
    assert!((rates[3] - last).abs() < 1e-12, "{rates:?}");
    assert_eq!(of("beta"), [0.0, 0.5, 1.0, 1.0, 1.0]);
    // The bound of the finished model is that of its last stage.
    let told = String::from_utf8(lab.run("evaluate straight").stdout).unwrap();
    assert!(told.contains("(iwae, 5 draws)"), "{told}");
    for stop in 1..5 {
        let out = format!("stopped-{stop}");
        train(&out, &format!("--stop-after {stop}"));
        lab.run(&format!("train --resume -q --out {out}"));
        lab.assert_same_run("straight", &out);
    }
    let refused =
        "train --data digits:count=50 --then epochs=1 --patience 2 --validation 0.2 --out none";
    assert_refused(&lab, &[(refused, USAGE, "then: the losses of stages cannot be compared")]);
}

#[test]
fn patience_survives_a_stop() {
    let lab = Lab::new();
    // The high rate makes the validation loss jump up and down.
    let all = format!("train {PLAIN} --lr 0.1 --validation 0.2 --patience 3 --epochs 200");
    let result = lab.json(&format!("{all} --out straight"));
    let end = result["epochs"].as_u64().expect("a number");
    assert!((4..200).contains(&end), "patience ended the run at epoch {end}");

    // Stopped while it waits, which is the state to keep.
    lab.run(&format!("{all} --stop-after {} --out stopped", end - 1));
    lab.run("train --resume --out stopped");
    lab.assert_same_run("straight", "stopped");

    // The weights are those of the best epoch, and nothing was worth waiting for since.
    let losses: Vec<_> = lab.records("straight").iter().map(validation_loss).collect();
    let best = (0..losses.len()).min_by(|&a, &b| losses[a].total_cmp(&losses[b])).expect("epochs");
    let weights = &lab.json("info straight")["header"]["weights"];
    assert_eq!(weights["epoch"], best + 1);
    assert_eq!(weights["best"], true);
    assert_eq!(end as usize, best + 1 + 3);
}

fn validation_loss(record: &serde_json::Value) -> f64 {
    record["validation"]["loss"].as_f64().expect("a number")
}

/// A line is written before its checkpoint; a kill in between leaves one too many, or half of one.
#[test]
fn metrics_that_the_checkpoint_does_not_know_are_dropped() {
    let lab = Lab::new();
    let all = format!("train {PLAIN} --epochs 4");
    lab.run(&format!("{all} --out straight"));
    lab.run(&format!("{all} --stop-after 2 --out killed"));
    let known = lab.text("killed/metrics.jsonl");
    let third = lab.text("straight/metrics.jsonl").lines().nth(2).expect("four lines").to_owned();
    for torn in [format!("{third}\n"), third[..third.len() / 2].to_owned()] {
        lab.write("killed/metrics.jsonl", format!("{known}{torn}"));
        lab.run("train --resume --stop-after 2 --out killed");
        assert_eq!(lab.text("killed/metrics.jsonl"), known);
    }
    lab.run("train --resume --out killed");
    lab.assert_same_run("straight", "killed");
}

#[test]
fn a_resumed_finished_run_only_writes_its_results_again() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 2 --out run"));
    let before = lab.listing();
    let model = lab.bytes("run/model.safetensors");
    lab.run("train --resume --out run");
    assert_eq!(lab.listing(), before);
    assert!(lab.bytes("run/model.safetensors") == model);
}

#[test]
fn the_seed_matters() {
    let lab = Lab::new();
    for seed in [1, 2] {
        let plain = PLAIN.replace("--seed 3", "");
        lab.run(&format!("train {plain} --seed {seed} --epochs 1 --out {seed}"));
    }
    let weights = |run: &str| {
        let file = lab.bytes(&format!("{run}/model.safetensors"));
        // The metadata names the seed; the last bytes are weights.
        file[file.len() - 4000..].to_vec()
    };
    assert_ne!(weights("1"), weights("2"));
}

#[test]
fn config_toml_starts_the_same_run_again() {
    let lab = Lab::new();
    lab.run(&format!("train {EVERYTHING} --epochs 3 --out one"));
    lab.run("train --config one/config.toml --out two");
    lab.assert_same_run("one", "two");
    // A flag beats the file.
    lab.run("train --config one/config.toml --epochs 1 --out three");
    assert_eq!(lab.epochs("three"), 1);
    // Without --out the folder is named after the data, which is in the file.
    lab.write("table.npy", crate::lab::table());
    lab.write("table.toml", "data = \"table.npy\"\nepochs = 1\nlikelihood = \"normal\"");
    lab.run("train --config table.toml");
    assert!(lab.exists("runs/table/model.safetensors"));
}

/// `--free-bits` is another spelling of the objective's own setting, and leaves no trace.
#[test]
fn free_bits_have_one_place() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 1 --free-bits 0.1 --out short"));
    lab.run(&format!("train {PLAIN} --epochs 1 --objective elbo:free-bits=0.1 --out long"));
    lab.assert_same_run("short", "long");
    lab.run("train --resume --free-bits 0.1 --epochs 2 --out short");
    assert_eq!(lab.epochs("short"), 2);
    // Over a file it counts as any flag does.
    let objective = |flags: &str| {
        lab.run(&format!("train --config long/config.toml {flags} --force --out other"));
        let config = lab.text("other/config.toml");
        config.lines().find(|line| line.starts_with("objective")).map(str::to_owned)
    };
    assert_eq!(objective("").as_deref(), Some("objective = \"elbo:free-bits=0.1\""));
    assert_eq!(objective("--free-bits 0.5").as_deref(), Some("objective = \"elbo:free-bits=0.5\""));
    assert_eq!(objective("--free-bits 0").as_deref(), Some("objective = \"elbo\""));
}

/// Each second epoch whose validation loss was not better halves the rate, as the metrics tell; and a run that was
/// stopped in between goes on with the rate that it had.
#[test]
fn a_rate_falls_on_a_plateau() {
    let lab = Lab::new();
    let train = format!(
        "train {PLAIN} --validation 0.2 --lr 0.02 --epochs 24 --schedule plateau:wait=2,factor=0.5 -q"
    );
    lab.run(&format!("{train} --out whole"));
    let (mut best, mut waited, mut rate) = (f64::INFINITY, 0, 0.02);
    for record in lab.records("whole") {
        assert_eq!(record["learning_rate"].as_f64().unwrap(), rate, "{record}");
        let loss = record["validation"]["loss"].as_f64().unwrap();
        waited = if loss < best { 0 } else { waited + 1 };
        best = best.min(loss);
        if waited > 0 && waited % 2 == 0 {
            rate *= 0.5;
        }
    }
    assert!(rate < 0.02, "the validation loss was better in each epoch");
    lab.run(&format!("{train} --out parts --stop-after 17"));
    lab.run("train --out parts --resume -q");
    lab.assert_same_run("whole", "parts");
    let refused = "train --data digits:count=50 --schedule plateau --epochs 1 --out none";
    assert_refused(&lab, &[(refused, USAGE, "add --validation")]);
}

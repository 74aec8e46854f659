//! A run's folder: what stays in it, whose it is, and what of it can be used when.

use crate::determinism::EVERYTHING;
use crate::failures::{FAILURE, USAGE, assert_refused};
use crate::lab::{FILES, Lab, PLAIN, table, wait};
use serde_json::Value;
use std::process::Output;

/// What a command said beside its result.
fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The files of a run, by name.
fn files(lab: &Lab, run: &str) -> Vec<(&'static str, Vec<u8>)> {
    FILES.into_iter().map(|file| (file, lab.bytes(&format!("{run}/{file}")))).collect()
}

fn copy(lab: &Lab, from: &str, to: &str) {
    std::fs::create_dir_all(lab.path(to)).expect("a folder");
    for file in FILES {
        std::fs::copy(lab.path(from).join(file), lab.path(to).join(file)).expect(file);
    }
}

#[test]
fn a_finished_run_stays_until_the_next_has_finished() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 2 --out run"));
    let (old, judged) = (files(&lab, "run"), lab.json("evaluate run"));

    // A run that fails at once leaves nothing; nothing lies in the way of another.
    let fails = format!("train {PLAIN} --likelihood normal --lr 1e9 --epochs 5 --out run");
    let output = lab.elbo(&fails).output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("not finite at step 2"), "{}", said(&output));
    assert!(files(&lab, "run") == old && !lab.exists("run/next"));

    // One that is stopped lies beside it.
    let next = format!("train {PLAIN} --activation tanh --epochs 4");
    let output = lab.run(&format!("{next} --stop-after 2 --out run"));
    let replaced = "note: run holds a finished run, which is replaced when this one, in run/next, has \
                    finished; --out OTHER-FOLDER keeps both";
    assert!(said(&output).contains(replaced), "{}", said(&output));
    assert!(files(&lab, "run") == old, "the finished run is whole");
    assert_refused(&lab, &[("train --out run", FAILURE, "an unfinished newer one of 4 epochs")]);
    let output = lab.run("evaluate run --json");
    let beside =
        "this is the finished run; an unfinished newer one lies in run/next (after epoch 2 of 4)";
    assert!(said(&output).contains(beside), "{}", said(&output));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&output.stdout).expect("JSON"), judged);

    // It goes on, and takes the place of the other when it has finished.
    lab.run("train --resume --out run");
    lab.run(&format!("{next} --out straight"));
    lab.assert_same_run("straight", "run");
    assert!(!lab.exists("run/next"));
    assert!(!said(&lab.run("evaluate run")).contains("newer"));

    // More epochs for a finished run are a run beside it too.
    let old = files(&lab, "run");
    let output = lab.run("train --resume --epochs 6 --stop-after 5 --out run");
    assert!(said(&output).contains("in run/next, has finished\n"), "{}", said(&output));
    assert!(files(&lab, "run") == old);
    lab.run("train --resume --out run");
    lab.run(&format!("train {PLAIN} --activation tanh --epochs 6 --out six"));
    lab.assert_same_run("six", "run");
}

#[test]
fn force_replaces_at_once() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 2 --out run"));
    lab.run(&format!("train {PLAIN} --epochs 4 --stop-after 1 --out run"));
    lab.write("run/notes.txt", "mine");
    lab.run(&format!(
        "train {PLAIN} --activation tanh --epochs 3 --stop-after 1 --force --out run"
    ));
    assert!(!lab.exists("run/model.safetensors") && !lab.exists("run/next"));
    assert_eq!((lab.epochs("run"), lab.text("run/notes.txt")), (1, "mine".to_owned()));
}

/// The files of a newer run move up one by one. Whatever moment a kill hits, the newer run counts.
#[test]
fn a_kill_during_the_exchange_loses_nothing() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 1 --out old"));
    lab.run(&format!("train {PLAIN} --activation tanh --epochs 2 --out new"));
    let newer = lab.json("evaluate new");
    let moves = ["metrics.jsonl", "config.toml", "checkpoint.safetensors", "model.safetensors"];
    for moved in 0..=moves.len() {
        let run = format!("run{moved}");
        copy(&lab, "old", &run);
        copy(&lab, "new", &format!("{run}/next"));
        for picture in ["samples.png", "reconstructions.png"] {
            for folder in [&run, &format!("{run}/next")] {
                std::fs::remove_file(lab.path(folder).join(picture)).expect("it was there");
            }
        }
        for file in &moves[..moved] {
            let (from, to) = (lab.path(&run).join("next").join(file), lab.path(&run).join(file));
            std::fs::rename(from, to).expect("a file of ours");
        }
        // A process that is killed while it writes leaves half a file under another name.
        lab.write(&format!("{run}/next/checkpoint.safetensors.123.tmp"), "half");
        assert_eq!(lab.json(&format!("evaluate {run}")), newer, "{moved} moved");
        lab.run(&format!("train --resume --out {run}"));
        lab.assert_same_run("new", &run);
        assert!(!lab.path(&run).join("next").exists());
    }
}

/// What is in the way of one file stops the exchange before the model has moved.
#[test]
fn an_exchange_that_fails_can_be_completed() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 1 --out old"));
    lab.run(&format!("train {PLAIN} --activation tanh --epochs 2 --out new"));
    copy(&lab, "old", "run");
    copy(&lab, "new", "run/next");
    let place = lab.path("run/checkpoint.safetensors");
    std::fs::remove_file(&place).expect("it was there");
    std::fs::create_dir_all(place.join("mine")).expect("a new folder");
    let output = lab.elbo("train --resume --out run").output().expect("the program starts");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(lab.exists("run/next/model.safetensors"), "{}", said(&output));
    assert_eq!(lab.json("evaluate run"), lab.json("evaluate new"));
    std::fs::remove_dir_all(&place).expect("a folder of ours");
    lab.run("train --resume --out run");
    lab.assert_same_run("new", "run");
}

#[test]
fn a_run_that_patience_has_ended_says_so_when_it_is_resumed() {
    let lab = Lab::new();
    let settings = "--validation 0.2 --patience 2 --lr 0.15 --epochs 100 --out run";
    let output = lab.run(&format!("train {PLAIN} {settings}"));
    assert!(said(&output).contains("the validation loss has stopped improving"));
    let epochs = lab.epochs("run");
    assert!((3..100).contains(&epochs), "{epochs}");
    let output = lab.run("train --resume --out run");
    let over = format!(
        "resumed after epoch {epochs} of 100; it is over, for the validation loss has not improved for 2 \
         epochs (--patience 2): train anew with more --patience"
    );
    assert!(said(&output).contains(&over), "{}", said(&output));
    assert_eq!(lab.epochs("run"), epochs);
}

#[test]
fn one_process_trains_in_a_folder_at_a_time() {
    let lab = Lab::new();
    let long = "--data digits:count=2000 --hidden 8 --latent 2 --batch-size 1 --epochs 500";
    lab.run("train --data digits:count=50 --hidden 8 --latent 2 --epochs 1 --out run");
    let args = format!("train {long} --out run");
    let mut child = lab.start(&args.split_whitespace().collect::<Vec<_>>());
    assert!(wait(&mut child, || lab.exists("run/next/metrics.jsonl")));
    for args in ["train --out run", "train --out run --resume", "train --out run --force"] {
        let output = lab.elbo(args).output().expect("the program starts");
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("run: another elbo train is at work"), "{}", said(&output));
    }
    // Who only reads is not kept out, and an ended process keeps nobody out.
    lab.run("info run");
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
    lab.run("train --data digits:count=50 --hidden 8 --latent 2 --epochs 2 --out run --force");
    assert_eq!(lab.epochs("run"), 2);
}

#[test]
fn a_default_folder_belongs_to_one_file() {
    let lab = Lab::new();
    for folder in ["a", "b"] {
        std::fs::create_dir(lab.path(folder)).expect("a new folder");
        lab.write(&format!("{folder}/d.npy"), table());
    }
    let small = "--likelihood normal --hidden 4 --latent 1 --epochs 2 --stop-after 1";
    lab.run(&format!("train --data a/d.npy {small}"));
    let output = lab.run(&format!("train --data b/d.npy {small}"));
    let first = format!("note: runs/d belongs to {}", lab.path("a/d.npy").display());
    assert!(said(&output).contains(&first), "{}", said(&output));
    assert!(said(&output).contains("into runs/d-2"));
    // By whatever name, a file comes back to its folder.
    let b = lab.path("b/../b/d.npy");
    lab.run(&format!("train --resume --data {}", b.display()));
    assert!(!lab.exists("runs/d/model.safetensors") && lab.exists("runs/d-2/model.safetensors"));
    lab.run("train --resume --data a/d.npy");
    assert!(lab.exists("runs/d/model.safetensors"));
    // Nor does a file take the place of embedded data, or of what it could be taken for.
    lab.run("train --data digits:count=50 --hidden 4 --latent 1 --epochs 1");
    lab.write("digits.npy", table());
    lab.run(&format!("train --data digits.npy {small}"));
    assert!(lab.exists("runs/digits-2"));
    lab.run("train --data digits:count=60 --hidden 4 --latent 1 --epochs 1");
    assert!(!lab.exists("runs/digits-3"));
}

#[test]
fn an_unfinished_run_can_be_used_as_it_stands() {
    let lab = Lab::new();
    let average = format!("{PLAIN} --average 0.9");
    for (name, settings) in [("plain", PLAIN), ("average", &average), ("everything", EVERYTHING)] {
        // At the end of a run its checkpoint is the model that it leaves.
        lab.run(&format!("train {settings} --epochs 3 --out {name}"));
        let model = lab.json(&format!("info {name}"));
        let output = lab.run(&format!("info {name}/checkpoint.safetensors --json"));
        assert!(said(&output).contains("note: this is a checkpoint: these are its weights after"));
        let checkpoint: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(checkpoint, model);
        lab.run(&format!("sample {name} -n 3 -o model.npy"));
        lab.run(&format!("sample {name}/checkpoint.safetensors -n 3 -o checkpoint.npy"));
        assert!(lab.bytes("model.npy") == lab.bytes("checkpoint.npy"));

        // A run that was stopped there is the same model but for its plan.
        let half = format!("{name}-half");
        lab.run(&format!("train {settings} --epochs 6 --stop-after 3 --out {half}"));
        assert!(!lab.exists(&format!("{half}/model.safetensors")));
        let output = lab.run(&format!("sample {half} -n 3 -o half.npy"));
        assert!(
            said(&output)
                .contains("the run is unfinished: these are its weights after epoch 3 of 6")
        );
        assert!(
            said(&output).contains(&format!("elbo train --out {half} --resume goes on with it"))
        );
        assert!(lab.bytes("half.npy") == lab.bytes("model.npy"));
        assert_eq!(lab.json(&format!("evaluate {half}")), lab.json(&format!("evaluate {name}")));
        lab.run(&format!("encode {half} -o z.csv"));
    }
}

#[test]
fn a_model_remembers_its_data() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("far")).expect("a new folder");
    let lines = |range: std::ops::Range<i32>| -> String {
        range.map(|i| format!("{},{},c{},{}\n", i % 7, i % 5, i % 2, i % 3)).collect()
    };
    lab.write("numbers.csv", lines(0..40));
    let settings = "--header no --label 3 --columns 4,1 --likelihood normal --hidden 4 --latent 2";
    lab.run(&format!("train --data numbers.csv {settings} --epochs 1 --out run"));
    lab.run("encode run --data numbers.csv --header no --label 3 --columns 4,1 -o said.csv");
    assert!(lab.text("said.csv").starts_with("row,label,z1,z2\n1,c0,"));
    lab.run("encode run -o unsaid.csv");
    assert_eq!(lab.text("unsaid.csv"), lab.text("said.csv"));
    let from_afar =
        lab.elbo("encode ../run/model.safetensors -o z.csv").current_dir(lab.path("far")).output();
    assert!(from_afar.expect("the program starts").status.success());
    assert_eq!(lab.text("far/z.csv"), lab.text("said.csv"));
    // The settings can be used from there, too.
    let again = lab
        .elbo("train --config ../run/config.toml --out again")
        .current_dir(lab.path("far"))
        .output();
    assert!(again.expect("the program starts").status.success());
    assert!(lab.bytes("far/again/model.safetensors") == lab.bytes("run/model.safetensors"));

    // A flag says otherwise.
    lab.run("encode run --label 2 -o other.csv");
    assert!(lab.text("other.csv").starts_with("row,label,z1,z2\n1,0,"));
    // So do other data, about which the run knows nothing.
    lab.write("two.csv", "3,4\n5,6\n");
    lab.run("encode run --data two.csv -o two-z.csv");
    assert!(lab.text("two-z.csv").starts_with("row,z1,z2\n"));

    // Moved data are named anew; the rest is still remembered.
    std::fs::rename(lab.path("numbers.csv"), lab.path("far/numbers.csv")).expect("it moves");
    let missing = format!("--data: the model was trained on {}", lab.path("numbers.csv").display());
    assert_refused(&lab, &[("encode run -o z.csv", USAGE, &missing)]);
    lab.run("encode run --data far/numbers.csv -o moved.csv");
    assert_eq!(lab.text("moved.csv"), lab.text("said.csv"));
    // A model that has left its folder knows no path.
    std::fs::copy(lab.path("run/model.safetensors"), lab.path("alone")).expect("a copy");
    assert_refused(&lab, &[("encode alone -o z.csv", USAGE, "trained on a file; name it")]);
}

/// What a run's end says of it.
#[test]
fn a_run_says_what_its_result_lacks() {
    let lab = Lab::new();
    // Noise of two values: whatever 16 latents carry, it is not all of them.
    let noise = |i: i32| format!("{},{}\n", (i * 7919) % 101, (i * 104_729) % 103);
    lab.write("noise.csv", (0..400).map(noise).collect::<String>());
    let train = "train --data noise.csv --header no --likelihood normal:variance=0.1 --latent 16 --activation relu";
    let run = |settings: &str, name: &str| {
        let output = lab.run(&format!("{train} {settings} --json --out {name}"));
        let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (said(&output), json["diagnosis"].clone())
    };
    let (text, found) = run(
        "--validation 0 --hidden 4 --epochs 200 --batch-size 32 --lr 0.01 --schedule cosine",
        "long",
    );
    let idle = found["idle_latents"].as_u64().expect("a count");
    assert!((10..16).contains(&idle), "{found}");
    assert!(text.contains(&format!("note: {idle} of 16 latents carry nothing")), "{text}");
    assert_eq!((&found["latents"], &found["training_rows"]), (&16.into(), &360.into()));
    assert!(!text.contains("still falling") && found["still_falling"] == false, "{text}");
    assert!(!text.contains("fewer than"), "360 rows for {}", found["parameters"]);

    let (text, found) = run("--validation 0 --hidden 64,64 --epochs 3", "short");
    assert!(text.contains("note: the training loss was still falling, by "), "{text}");
    assert!(text.contains("note: the 360 training rows are fewer than the "), "{text}");
    assert!(text.contains("--validation 0.1 keeps the weights") && found["still_falling"] == true);
    let (text, _) = run("--hidden 64,64 --epochs 3 --validation 0.2", "validated");
    assert!(text.contains("the validation loss was still falling"), "{text}");
    assert!(!text.contains("--validation 0.1"), "{text}");
}

#[test]
fn a_run_ends_when_its_time_is_over() {
    let lab = Lab::new();
    let output =
        lab.run("train --data digits:count=500 --hidden 16 --epochs 100000 --time 0.5s --out run");
    let text = said(&output);
    assert!(text.contains("the time is over "), "{text}");
    assert!(lab.exists("run/model.safetensors"));
    // It goes on from there like any other.
    lab.run("train --resume --out run --time 0.2s");
    for wrong in ["0s", "-1", "soon", "1d", "inf"] {
        let output = lab.elbo("train --time").arg(wrong).output().unwrap();
        let text = said(&output);
        assert!(!output.status.success() && text.contains("not a time above 0"), "{text}");
    }
}

#[test]
fn a_run_starts_from_the_weights_of_another() {
    let lab = Lab::new();
    let model = "--hidden 24 --latent 4 --activation tanh";
    let first = lab.json(&format!("train --data digits:count=500 {model} --epochs 4 --out first"));
    let loss = |result: &Value| result["heldout"]["loss"].as_f64().expect("a test part");
    // Other rows, another objective; the model is that of the first run without being described again.
    let data = "--data digits:count=600 --epochs 1 --objective iwae --samples 3";
    let warm = lab.json(&format!("train {data} --from first --out warm"));
    let cold = lab.json(&format!("train {data} {model} --out cold"));
    assert!(loss(&warm) < loss(&cold) - 1.0, "{} {} {}", loss(&first), loss(&warm), loss(&cold));
    let config = String::from_utf8(lab.bytes("warm/config.toml")).unwrap();
    assert!(config.contains("activation = \"tanh\"") && config.contains("first\""), "{config}");
    lab.run("train --resume --epochs 2 --out warm");
    // Its weights have their beginning behind them: nobody may say another.
    let output = lab.elbo("train --resume --from cold --epochs 3 --out warm").output().unwrap();
    let text = said(&output);
    assert!(
        !output.status.success() && text.contains("a resumed run keeps its settings"),
        "{text}"
    );
    let output = lab.elbo("train --from first --latent 5 --out other").output().unwrap();
    let text = said(&output);
    assert!(!output.status.success() && text.contains("encoder.0.head.weight [8, 24]"), "{text}");
}

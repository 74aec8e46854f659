//! Runs that are killed or interrupted, wherever they are, and go on to the same bytes.
#![cfg(unix)]

use crate::determinism::EVERYTHING;
use crate::lab::{Lab, wait};
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

/// One level with many steps, so that an epoch has a middle to be hit in.
const LONG: &str = "--data digits:count=1500 --hidden 64 --latent 4 --batch-size 16";

const EPOCHS: usize = 10;

/// Trains without an interruption; returns how long an epoch takes, start included.
fn straight(lab: &Lab, settings: &str) -> Duration {
    let start = Instant::now();
    lab.run(&format!("train {settings} --epochs {EPOCHS} --out straight"));
    start.elapsed() / EPOCHS as u32
}

/// Waits for a moment that is different for every attempt and spread evenly over an epoch, from its
/// start in every second attempt, else from the program's.
fn some_moment(child: &mut Child, lab: &Lab, run: &str, attempt: usize, epoch: Duration) {
    let wanted = lab.epochs(run) + attempt % 2;
    if wait(child, || lab.epochs(run) >= wanted) {
        std::thread::sleep(epoch.mul_f64((attempt as f64 * 0.618).fract()));
    }
}

#[test]
fn a_killed_run_goes_on_to_the_same_bytes() {
    for settings in [LONG, EVERYTHING] {
        let lab = Lab::new();
        let epoch = straight(&lab, settings);
        let (mut kills, mut resumed) = (0, 0);
        for attempt in 0..9 {
            // A kill in the first epoch leaves nothing to go on from, and nothing in the way.
            let go_on = lab.exists("killed/checkpoint.safetensors");
            let args = match go_on {
                true => "train --resume --out killed".to_owned(),
                false => format!("train {settings} --epochs {EPOCHS} --out killed"),
            };
            let mut child = lab.start(&args.split_whitespace().collect::<Vec<_>>());
            some_moment(&mut child, &lab, "killed", attempt, epoch);
            child.kill().expect("a child of ours");
            if child.wait().expect("a child of ours").success() {
                break;
            }
            kills += 1;
            resumed += usize::from(go_on);
            // What it leaves is whole: a checkpoint to go on from, or none.
            if lab.exists("killed/model.safetensors") {
                lab.run("info killed");
            }
        }
        assert!(kills >= 3 && resumed >= 1, "only {kills} kills, {resumed} of resumed runs");
        lab.run("train --resume --out killed");
        lab.assert_same_run("straight", "killed");
    }
}

/// Ctrl-C.
fn interrupt(child: &Child) {
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(status.expect("there is a `kill`").success());
}

/// The command that an interrupted run says it goes on with.
fn hint(output: &Output) -> (String, String) {
    let message = String::from_utf8_lossy(&output.stderr);
    let last = message.lines().last().expect("a message").to_owned();
    let (place, command) = last.split_once("; go on with: ").unwrap_or_else(|| panic!("{last}"));
    (place.to_owned(), command.to_owned())
}

#[test]
fn an_interrupted_run_says_how_to_go_on_and_does() {
    for settings in [LONG, EVERYTHING] {
        let lab = Lab::new();
        let epoch = straight(&lab, settings);
        // The name needs quotes in the hint.
        let epochs = EPOCHS.to_string();
        let mut args: Vec<_> = settings.split_whitespace().collect();
        args.splice(..0, ["train", "--out", "my run", "--epochs", &epochs]);
        let mut places = Vec::new();
        let mut go_on = String::new();
        let in_epoch = |place: &String| place.starts_with("stopped in epoch");
        // On a busy machine the signal may come at an epoch's end several times.
        for attempt in (1..2 * EPOCHS).step_by(2) {
            if places.len() >= 3 && places.iter().any(in_epoch) {
                break;
            }
            let mut child = lab.start(&args);
            some_moment(&mut child, &lab, "my run", attempt, epoch / 2);
            interrupt(&child);
            let output = child.wait_with_output().expect("a child of ours");
            if output.status.success() {
                break; // it was faster
            }
            assert_eq!(output.status.code(), Some(130), "{output:?}");
            assert!(output.stdout.is_empty(), "an unfinished run has no result");
            assert!(lab.exists("my run/checkpoint.safetensors"));
            assert!(!lab.exists("my run/model.safetensors"));
            // It can be used as it stands, wherever that is.
            let info = lab.elbo("info").arg("my run").output().expect("the program starts");
            let note = String::from_utf8_lossy(&info.stderr).into_owned();
            assert!(info.status.success() && note.contains("the run is unfinished"), "{note}");
            let (place, command) = hint(&output);
            if let Some(rest) = place.strip_prefix("stopped in epoch ") {
                let words: Vec<_> = rest.split([' ', ',']).collect();
                let says = format!("after {} steps of epoch {} of {EPOCHS}", words[3], words[0]);
                assert!(note.contains(&says), "{place}: {note}");
            }
            places.push(place);
            go_on = command;
            args = vec!["train", "--out", "my run", "--resume"];
        }
        assert!(places.iter().any(in_epoch), "{places:?}");

        assert_eq!(go_on, "elbo train --out 'my run' --resume");
        let program = assert_cmd::cargo::cargo_bin!("elbo").display().to_string();
        let command = go_on.replacen("elbo", &format!("'{program}'"), 1);
        let output = Command::new("sh").args(["-c", &command]).current_dir(lab.path("")).output();
        let output = output.expect("there is a shell");
        assert!(output.status.success(), "{output:?}");
        lab.assert_same_run("straight", "my run");
    }
}

#[test]
fn a_new_run_that_is_killed_early_is_not_taken_for_the_old_one() {
    let lab = Lab::new();
    lab.run("train --data digits:count=100 --hidden 8 --epochs 1 --out run");
    let old = lab.bytes("run/model.safetensors");
    let long = "train --data digits:count=2000 --hidden 8 --batch-size 1 --out run";
    let mut child = lab.start(&long.split_whitespace().collect::<Vec<_>>());
    // The new run is there when it has a checkpoint.
    assert!(wait(&mut child, || lab.exists("run/next/checkpoint.safetensors")));
    child.kill().expect("a child of ours");
    child.wait().expect("a child of ours");
    assert_eq!(lab.epochs("run/next"), 0, "it was to be killed in its first epoch");
    assert!(lab.bytes("run/model.safetensors") == old && lab.epochs("run") == 1);
    lab.run("info run");
    lab.run("train --resume --stop-after 1 --out run");
    assert_eq!((lab.epochs("run"), lab.epochs("run/next")), (1, 1));
    assert!(lab.bytes("run/model.safetensors") == old);
}

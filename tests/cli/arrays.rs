//! Arrays as NumPy writes them, and what their bytes stand for.

use crate::failures::{FAILURE, USAGE, assert_refused};
use crate::lab::{Lab, npy, npz};

const TRAIN: &str = "--likelihood bernoulli --activation relu --validation 0 --hidden 8 --latent 2 \
    --epochs 2 --batch-size 16";

/// 60 rows of four bits that depend on each other.
fn bits() -> Vec<u8> {
    (0..60u8).flat_map(|i| [i % 2, (i / 2) % 2, i % 2, u8::from(i % 3 == 0)]).collect()
}

/// The bits as a file of another type.
fn file(descr: &str, of: impl Fn(u8) -> Vec<u8>) -> Vec<u8> {
    npy(descr, false, &[60, 4], &bits().into_iter().flat_map(of).collect::<Vec<_>>())
}

/// What a command says besides its result.
fn said(lab: &Lab, args: &str) -> String {
    String::from_utf8(lab.run(args).stderr).expect("UTF-8")
}

/// The −ELBO of all rows of a file.
fn judged(lab: &Lab, run: &str, data: &str) -> f64 {
    let judged = lab.json(&format!("evaluate {run} --data {data} --part all"));
    judged["neg_elbo"].as_f64().expect("a number")
}

#[test]
fn bytes_of_0_and_1_are_0_and_1_in_every_command() {
    let lab = Lab::new();
    lab.write("bits.npy", file("|u1", |v| vec![v]));
    lab.write("floats.npy", file("<f4", |v| f32::from(v).to_le_bytes().to_vec()));
    lab.write("grey.npy", file("|u1", |v| vec![v * 255]));
    lab.write("black.npy", npy("|u1", false, &[3, 4], &[0; 12]));

    let note = "note: the bytes are 0 and 1, and are read as these numbers";
    let remark = said(&lab, &format!("train --data bits.npy {TRAIN} --out bits --stop-after 1"));
    assert_eq!(remark.matches(note).count(), 1, "{remark}");
    assert!(said(&lab, "train --out bits --resume").contains(note));
    lab.run(&format!("train --data floats.npy {TRAIN} --out floats"));
    // Bits and the same numbers as floats are one data set.
    let loss = |run| lab.records(run)[1]["test"]["loss"].as_f64().expect("a number");
    assert_eq!(loss("bits"), loss("floats"));
    assert!(loss("bits") > 0.5, "four coins cost more than {}", loss("bits"));
    lab.run("evaluate bits --data black.npy");
    lab.run("evaluate bits --data floats.npy --part all");
    assert_refused(
        &lab,
        &[("evaluate bits --data grey.npy", FAILURE, "grey.npy: the largest byte is 255 where")],
    );

    // A model of grey bytes reads others as grey bytes, however dark.
    let remark = said(&lab, &format!("train --data grey.npy {TRAIN} --out grey"));
    assert!(remark.contains("note: bytes are read as 0 … 1: every value is divided by 255"));
    let remark = said(&lab, "evaluate grey --data bits.npy");
    assert!(remark.contains("as the model's were, though none is above 1"), "{remark}");
    assert_eq!(judged(&lab, "grey", "grey.npy"), judged(&lab, "floats", "floats.npy"));
}

#[test]
fn binarising_must_leave_two_values() {
    let lab = Lab::new();
    lab.write("bits.npy", file("|u1", |v| vec![v]));
    lab.write("dim.npy", file("<f4", |v| (f32::from(v) / 128.0).to_le_bytes().to_vec()));
    lab.run(&format!("train --data bits.npy --binarize threshold {TRAIN} --out bits"));
    let dim = "train --data dim.npy --binarize threshold --out dim";
    let says = "`threshold` makes every value of the training rows 0, for they are 0.000 … 0.008";
    assert_refused(&lab, &[(dim, USAGE, says)]);
}

#[test]
fn what_numpy_writes_by_default_trains() {
    let lab = Lab::new();
    lab.write("f8.npy", file("<f8", |v| f64::from(v).to_le_bytes().to_vec()));
    lab.run(&format!("train --data f8.npy {TRAIN} --out f8"));
    let expected = judged(&lab, "f8", "f8.npy");
    lab.write("i8.npy", file("<i8", |v| i64::from(v).to_le_bytes().to_vec()));
    lab.write("i4.npy", file(">i4", |v| i32::from(v).to_be_bytes().to_vec()));
    lab.write("b1.npy", file("|b1", |v| vec![v]));
    lab.write("f2.npy", file("<f2", |v| vec![0, if v == 1 { 0x3c } else { 0 }]));
    let columns = (0..4).flat_map(|j| bits().into_iter().skip(j).step_by(4));
    let columns = columns.flat_map(|v| f64::from(v).to_le_bytes()).collect::<Vec<_>>();
    lab.write("fortran.npy", npy("<f8", true, &[60, 4], &columns));
    for name in ["i8", "i4", "b1", "f2", "fortran"] {
        assert_eq!(judged(&lab, "f8", &format!("{name}.npy")), expected, "{name}");
    }
}

#[test]
fn an_array_of_an_archive_trains_with_another_as_labels() {
    let lab = Lab::new();
    let labels = (0..60i64).flat_map(|i| (i % 3).to_le_bytes()).collect::<Vec<_>>();
    let rows = file("<f8", |v| f64::from(v).to_le_bytes().to_vec());
    lab.write("all.npz", npz(&[("X", rows), ("y", npy("<i8", false, &[60], &labels))]));
    lab.run(&format!("train --data all.npz:X --label y {TRAIN} --out run"));
    lab.run("encode run --data all.npz:X -o z.csv");
    let text = lab.text("z.csv");
    assert!(text.starts_with("row,label,z1,z2\n"), "{text}");
    let label = |line: &str| line.split(',').nth(1).expect("a label").to_owned();
    assert_eq!(text.lines().skip(1).take(4).map(label).collect::<Vec<_>>(), ["0", "1", "2", "0"]);
    // Or as what rows are given, of classes or of numbers.
    for (kind, info) in [("", "y (3 classes)"), ("=number", "y (a number, 0 … 2)")] {
        lab.run(&format!("train --data all.npz:X --condition y{kind} {TRAIN} --force --out given"));
        let told = String::from_utf8(lab.run("info given").stdout).unwrap();
        assert!(told.contains(info), "{told}");
        lab.run("sample given --set y=1 -n 2 -o s.csv");
        assert!(lab.text("s.csv").lines().skip(1).all(|line| line.starts_with("1,")));
        lab.run("evaluate given --data all.npz:X");
    }
    // A file whose name has a colon in it is that file.
    lab.write("odd.csv:X", "1,0\n0,1\n");
    lab.run("train --data odd.csv:X --hidden 4 --latent 1 --epochs 1 --test 0 --out odd");
}

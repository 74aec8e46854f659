//! `elbo compress` and `elbo decompress`, as people use them.

use crate::failures::assert_refused;
use crate::lab::{Lab, PLAIN};

/// A table of several kinds, with what people write.
fn table(rows: usize) -> String {
    let mut text = "id,city,price,count,note\n".to_owned();
    for i in 0..rows {
        let city = ["Ulm", " Bonn", "\"Bad Ems\"", "?"][(i * i + i / 7) % 4];
        let price = f64::from((i as u32 * 7919) % 10_007) / 100.0;
        let price = if i % 23 == 5 { format!("{price:.1}") } else { format!("{price:.2}") };
        let note = if i % 31 == 0 { "\"a, b\"" } else { "x" };
        text += &format!("{},{city},{price},{},{note}{}\n", i + 1000, (i % 9) * 10, i % 3);
    }
    text + "short,line\n"
}

#[test]
fn a_table_comes_back_by_its_values_or_to_the_last_byte() {
    let lab = Lab::new();
    let text = table(400);
    lab.write("t.csv", &text);
    lab.write("learn.csv", text.replace("short,line\n", ""));
    let train = "train --data learn.csv --out run --epochs 3 --hidden 16 --latent 3 --kinds id=key,note=text --missing ?";
    lab.run(train);
    lab.run("compress t.csv --model run --spelling --embed --block 64");
    std::fs::rename(lab.path("t.csv"), lab.path("first.csv")).unwrap();
    lab.run("decompress t.csv.elbo");
    assert_eq!(lab.text("t.csv"), text);
    // Without the spelling: shorter, and every number and class is there.
    lab.run("compress first.csv --model run -o values.elbo");
    lab.run("decompress values.elbo --model run -o values.csv");
    let (found, want) = (lab.text("values.csv"), text);
    for (found, want) in found.lines().zip(want.lines()) {
        let cells = |line: &str| {
            line.split(',').map(|c| c.trim().trim_matches('"').to_owned()).collect::<Vec<_>>()
        };
        let (found, want) = (cells(found), cells(want));
        assert_eq!([&found[0], &found[1]], [&want[0], &want[1]]);
        if let (Some(Ok(found)), Some(Ok(want))) =
            (found.get(2).map(|p| p.parse::<f64>()), want.get(2).map(|p| p.parse::<f64>()))
        {
            assert_eq!(found, want);
        }
    }
    assert_eq!(found.lines().count(), want.lines().count());
}

/// An array, with xz's manners.
#[test]
fn an_array_is_compressed_as_xz_would() {
    let lab = Lab::new();
    lab.run(&format!("train {PLAIN} --epochs 1 --binarize static --out run"));
    lab.run("sample run -n 300 --draw -o a.npy");
    let original = lab.bytes("a.npy");
    let one = lab.json("compress a.npy --model run --block 64 --threads 1");
    assert!(one["bits_per_dim"].as_f64().unwrap() < 1.0, "{one}");
    let bytes = lab.bytes("a.npy.elbo");
    assert!(bytes.len() < original.len() / 20);
    for threads in [2, 4] {
        lab.run(&format!("compress a.npy --model run --block 64 --threads {threads} -f"));
        assert_eq!(lab.bytes("a.npy.elbo"), bytes, "{threads} threads");
    }
    assert_refused(
        &lab,
        &[
            ("compress a.npy --model run -q", 2, "is there already"),
            ("decompress a.npy.elbo --model run -q", 2, "is there already"),
            ("decompress a.npy.elbo -q -f", 2, "written with the model"),
            ("compress a.npy -q --model run --bins 99 -f", 2, "4 to 16"),
            ("decompress a.npy.elbo -q --model run -f --rows 3..9999", 2, "300 rows"),
        ],
    );
    let text = |args| String::from_utf8(lab.run(args).stdout).unwrap();
    assert!(text("decompress -l a.npy.elbo").contains("300 of 784"));
    assert!(text("decompress -t a.npy.elbo --model run").contains("whole"));
    lab.run("decompress a.npy.elbo --model run -f");
    assert_eq!(lab.bytes("a.npy"), original);
    let rows = lab.run("decompress a.npy.elbo --model run -c --rows 70..72 -q").stdout;
    assert_eq!(rows, original[original.len() - 230 * 784 * 4..][..2 * 784 * 4]);
    // Another model, and a damaged block.
    lab.run(&format!("train {PLAIN} --epochs 2 --binarize static --out other"));
    assert_refused(&lab, &[("decompress a.npy.elbo -q -f --model other", 1, "another model")]);
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 2] ^= 16;
    lab.write("d.npy.elbo", damaged);
    let lost = lab.elbo("decompress d.npy.elbo --model run").output().unwrap();
    assert!(!lost.status.success() && String::from_utf8_lossy(&lost.stderr).contains("is lost"));
    assert!(lab.bytes("d.npy").len() > original.len() / 2);
    assert_refused(&lab, &[("decompress a.npy -q -o x", 1, "no archive")]);
}

/// Rare classes are one to the model, and words of their own to the file.
#[test]
fn a_rare_class_comes_back_as_its_own_word() {
    let lab = Lab::new();
    let mut text = "city,x\n".to_owned();
    // A few hundred come often, and some once or twice.
    for i in 0..4000usize {
        let city = if i % 40 == 0 { format!("rare{}", i / 80) } else { format!("city{}", i % 300) };
        text += &format!("{city},{}\n", i % 50);
    }
    lab.write("t.csv", &text);
    lab.run("train --data t.csv --out run --epochs 1 --hidden 8 --latent 2 --kinds city=class");
    let info = String::from_utf8(lab.run("info run").stdout).unwrap();
    assert!(info.contains("rare ones"), "{info}");
    lab.run("compress t.csv --model run -o t.elbo");
    lab.run("decompress t.elbo --model run -o again.csv");
    assert_eq!(lab.text("again.csv"), text);
}

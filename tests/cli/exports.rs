//! Tables as other programs export them: what is found in them is said, and remedies work.

use crate::lab::{Lab, npy_f32};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

const TRAIN: &str = "train --likelihood normal --hidden 8 --latent 1 --epochs 1 --test 0";

/// Rows of numbers, each under the names and after what stands before it.
fn export(header: &str, rows: usize, row: impl Fn(usize) -> String) -> String {
    (0..rows).fold(header.to_owned() + "\n", |text, i| text + &row(i) + "\n")
}

/// Three numbers that depend on the row.
fn numbers(i: usize) -> String {
    let t = (i as f64 * 0.618).fract() + 0.001;
    format!("{:.4},{:.4},{:.4}", t, t * t - 2.0, 3.0 - t)
}

/// Trains on a file, and returns what is said of rows, columns and decisions.
#[track_caller]
fn trained(lab: &Lab, data: &str) -> String {
    let out = lab.run(&format!("{TRAIN} --force --out run --data {data}"));
    String::from_utf8(out.stderr).expect("UTF-8")
}

#[test]
fn names_and_row_numbers_are_found_and_the_flag_is_named() {
    let lab = Lab::new();
    lab.write("pandas.csv", export("0,1,2", 30, numbers));
    let said = trained(&lab, "pandas.csv");
    assert!(said.contains("note: the first line (0, 1, 2) counts the columns"), "{said}");
    assert!(said.contains("30 training"), "{said}");
    assert!(trained(&lab, "pandas.csv --header no").contains("31 training"));

    lab.write("index.csv", export(",a,b,c", 30, |i| format!("{i},{}", numbers(i))));
    let said = trained(&lab, "index.csv");
    assert!(said.contains("note: column 1 has no name and numbers or names the rows"), "{said}");
    assert!(said.contains("of 3 values"), "{said}");
    lab.write("named.csv", lab.text("index.csv").replacen(",a", "id,a", 1));
    assert!(trained(&lab, "named.csv").contains("of 4 values"));

    lab.write("years.csv", export("2019,2020,2021", 30, numbers));
    assert!(trained(&lab, "years.csv").contains("30 training"));
}

#[test]
fn marks_and_words_are_found() {
    let lab = Lab::new();
    let cases = [
        ("pipe.csv", "a|b|c\n1|2|3\n4|5|6\n", "2 training"),
        ("comment.csv", "# comment\na,b\n1,2\n3,4\n5,6\n", "1 line that begins with `#`"),
        ("bool.csv", "a,b\nTrue,2\nFalse,4\nTrue,6\n", "column `a`: true is read as 1"),
        ("thousands.csv", "a,b\n\"1,234.5\",2\n\"2,000\",3\n", "separators of thousands"),
        ("comma.csv", "a;b\n1,5;2\n0,5;3\n", "column `a`: commas are read as decimal commas"),
        ("tabs.tsv", "a\tb\n1\t2\n3\t4\n", "2 training"),
    ];
    for (name, text, says) in cases {
        lab.write(name, text);
        let said = trained(&lab, name);
        assert!(said.contains(says), "{name}: {said}");
    }
}

#[test]
fn packed_files_are_read_by_every_reader() {
    let lab = Lab::new();
    let pack = |name: &str, bytes: &[u8]| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("a vector takes everything");
        lab.write(name, encoder.finish().expect("a vector takes everything"));
    };
    let plain = export("a,b,c", 30, numbers);
    pack("t.csv.gz", plain.as_bytes());
    pack("no-suffix", &npy_f32(2, &[0.0, 1.0, 0.5, 0.25]));
    assert!(trained(&lab, "t.csv.gz").contains("30 training"));
    let packed = lab.bytes("run/model.safetensors");
    lab.write("t.csv", plain);
    trained(&lab, "t.csv");
    assert_eq!(packed, lab.bytes("run/model.safetensors"));
    assert!(trained(&lab, "no-suffix").contains("2 training"));
}

#[test]
fn the_remedies_work() {
    let lab = Lab::new();
    let text = |i| format!("{},kind {},{}", numbers(i), i % 3, if i == 7 { "NA" } else { "5.5" });
    lab.write("t.csv", export("x,y,z,my kind,gap", 30, text));
    let refused = |args: &str| {
        let output = lab.elbo(&format!("{TRAIN} --out run --data {args}")).output().expect("runs");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let said = refused("t.csv");
    assert!(said.contains("line 2, column 4 (`my kind`): `kind 0` is not a number"), "{said}");
    assert!(said.contains("with --drop 4,gap, or keep it as labels with --label 4"), "{said}");
    assert!(trained(&lab, "t.csv --drop 4,gap").contains("of 3 values"));
    let said = refused("t.csv --label 4");
    assert!(said.contains("line 9, column 5 (`gap`): `NA` is not a finite number"), "{said}");
    assert!(said.contains("leave the column out with --drop gap"), "{said}");
    assert!(trained(&lab, "t.csv --label 4 --drop gap").contains("of 3 values"));
}

#[test]
fn a_model_finds_its_columns_without_flags() {
    let lab = Lab::new();
    let row = |i: usize| format!("{i},{},w{}", numbers(i), i % 2);
    lab.write("named.csv", export("id,x,y,z,kind", 30, row));
    lab.write("nameless.csv", (0..30).map(|i| row(i + 1) + "\n").collect::<String>());
    lab.write("hash.csv", (0..30).map(|i| format!("#{i},{}\n", numbers(i))).collect::<String>());
    for (data, flags) in [
        ("named.csv", "--drop id --label kind"),
        ("named.csv", "--columns x-z --label 5"),
        ("nameless.csv", "--drop 1 --label 5"),
        ("nameless.csv", "--columns 4,2-3 --label 5"),
        ("hash.csv", "--label 1 --comment none"),
    ] {
        trained(&lab, &format!("{data} {flags}"));
        let judged = lab.json(&format!("evaluate run --data {data} --part all"));
        assert_eq!(judged["rows"], 30, "{data} {flags}");
        let said = lab.run(&format!("evaluate run --data {data}"));
        let said = String::from_utf8(said.stderr).expect("UTF-8");
        // Known again by its values, which are those of the same columns.
        assert!(said.contains("these are the rows it learned from"), "{data} {flags}: {said}");
    }
    // In a settings file, too.
    trained(&lab, "named.csv --drop id,5 --delimiter , --header yes");
    lab.run("train --config run/config.toml --out again");
    assert_eq!(lab.bytes("run/model.safetensors"), lab.bytes("again/model.safetensors"));
    lab.write("numbers.toml", "data = 'named.csv'\ndrop = [1]\nlabel = 5\n");
    lab.run(&format!("{TRAIN} --config numbers.toml --out numbers"));
    trained(&lab, "named.csv --drop id --label kind");
    let model = |run: &str| lab.bytes(&format!("{run}/model.safetensors"));
    assert_eq!(model("numbers"), model("run"));
}

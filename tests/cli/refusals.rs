//! Everything that can be wrong with tables, with latents, and with what the commands on a finished
//! model are asked; as in [`crate::failures`].

use crate::failures::{FAILURE, USAGE, assert_refused};
use crate::lab::{Lab, npy, npy_f32, table};
use crate::tables::wine;

#[test]
fn tables() {
    let lab = Lab::new();
    let many: String = (0..10_500).map(|i| format!("{i},n{i}\n")).collect();
    let files: &[(&str, &[u8])] = &[
        ("empty.csv", b""),
        ("blank.csv", b"\n\r\n  \n"),
        ("names.csv", b"a,b\n"),
        ("ragged.csv", b"a,b\n1,2\n3\n"),
        ("long.csv", b"a,b\n1,2\n3,4,5\n"),
        ("word.csv", b"a,b\n1,2\n3,x\n"),
        ("cell.csv", b"a,b\n1,2\n,4\n"),
        ("na.csv", b"a,b\n1,2\n3,NA\n"),
        ("nan.csv", b"a,b\n1,nan\n3,4\n"),
        ("inf.csv", b"a,b\n1,2\n-inf,4\n"),
        ("huge.csv", b"a,b\n1,2\n3,1e999\n"),
        ("comma.csv", b"a;b\n1;2.5\n3;4,5\n"),
        ("latin.csv", b"a,b\n1,2\n3,\xe9\n"),
        ("utf16.csv", b"\xff\xfea\0,\0b\0"),
        ("quote.csv", b"a,b\n1,2\n3,\"4\n5,6\n"),
        ("nul.csv", b"a,b\n1,\0\n"),
        ("twice.csv", b"a,a\n1,2\n"),
        ("text.csv", b"name,class\nx,y\n"),
        ("page.csv", b"<!DOCTYPE html><p>404</p>"),
        ("archive.csv", b"PK\x03\x04and so on"),
        ("many.csv", many.as_bytes()),
        ("good.csv", b"a,b,class\n1,2,x\n3,5,y\n4,4,x\n"),
        ("binary.csv", b"\x01\x02\x03\x04\x05"),
        ("doubtful.csv", b"a;b\n1,234;5\n"),
        ("mixed.csv", b"a,b\nTrue,2\n1,4\n"),
        ("words.csv", b"a,one,two words\n1,x,y\n3,z,w\n"),
        ("hashes.csv", b"#a,b\n#1,2\n"),
        ("cut.csv.gz", &[0x1f, 0x8b, 8, 0, 0]),
        ("t.csv.zst", b"\x28\xb5\x2f\xfd\x04\x68\x21"),
        ("t.csv.xz", b"\xfd7zXZ\0\0\x04"),
    ];
    files.iter().for_each(|(name, bytes)| lab.write(name, bytes));
    let rows = [
        ("empty.csv", FAILURE, "empty.csv: the file is empty"),
        ("blank.csv", FAILURE, "blank.csv: all lines are blank"),
        ("names.csv", FAILURE, "names.csv: there are no rows"),
        ("ragged.csv", FAILURE, "ragged.csv: line 3 has 1 cells where the first has 2"),
        ("long.csv", FAILURE, "long.csv: line 3 has 3 cells where the first has 2"),
        ("word.csv", FAILURE, "word.csv: line 3, column 2 (`b`): `x` is not a number"),
        ("cell.csv", FAILURE, "cell.csv: line 3, column 1 (`a`): the cell is empty: fill it in"),
        ("na.csv", FAILURE, "na.csv: line 3, column 2 (`b`): `NA` is not a finite number: fill"),
        ("nan.csv", FAILURE, "nan.csv: line 2, column 2 (`b`): `nan` is not a finite number"),
        ("inf.csv", FAILURE, "inf.csv: line 3, column 1 (`a`): `-inf` is not a finite number"),
        ("huge.csv", FAILURE, "huge.csv: line 3, column 2 (`b`): `1e999` is too large"),
        ("comma.csv", FAILURE, "comma.csv: line 3, column 2 (`b`): `4,5` is written with a comma"),
        ("latin.csv", FAILURE, "latin.csv: line 3, column 2 (`b`): "),
        ("utf16.csv", FAILURE, "utf16.csv: not in a format that is read here"),
        ("quote.csv", FAILURE, "quote.csv: line 3"),
        ("nul.csv", FAILURE, "nul.csv: "),
        ("twice.csv --columns a", FAILURE, "twice.csv: "),
        ("text.csv", FAILURE, "text.csv: line 2, column 1 (`name`): `x` is not a number"),
        ("text.csv --label class --columns class", FAILURE, "text.csv: "),
        ("page.csv", FAILURE, "a web page"),
        ("archive.csv", FAILURE, "a zip archive"),
        ("binary.csv", FAILURE, "not in a format that is read here"),
        ("many.csv --label 2", FAILURE, "many.csv: column 2 has more than 10000 different labels"),
        (
            "good.csv",
            FAILURE,
            "good.csv: line 2, column 3 (`class`): `x` is not a number: leave the column out with --drop class, or keep it as labels with --label class",
        ),
        ("good.csv --label clas", FAILURE, "good.csv: "),
        ("good.csv --label class --columns a,c", FAILURE, "good.csv: "),
        ("good.csv --header maybe", USAGE, "--header: `maybe` is unknown; known are auto, yes, no"),
        (
            "good.csv --header no --label 3",
            FAILURE,
            "good.csv: line 1, column 1: `a` is not a number",
        ),
        ("good.csv --label class --standardize sure", USAGE, "--standardize: `sure` is unknown"),
        (
            "good.csv --label class --resize 8",
            USAGE,
            "--resize: this data is CSV, which has no use",
        ),
        (
            "good.csv --label class --likelihood bernoulli",
            FAILURE,
            "row 1, column 2 (`b`): the value 2 in line 2 is not allowed",
        ),
        (
            "good.csv --label class --likelihood bernoulli --standardize yes",
            USAGE,
            "--standardize: `bernoulli`, or binarised values",
        ),
        ("doubtful.csv", FAILURE, "doubtful.csv: column 1 (`a`): a number such as 1,234 could be"),
        ("mixed.csv", FAILURE, "mixed.csv: line 3, column 1 (`a`): `1` is not written like the"),
        ("words.csv", FAILURE, "words.csv: line 2, column 2 (`one`): `x` is not a number: leave"),
        ("words.csv", FAILURE, "out this and others like it with --drop one,3, or keep it as"),
        ("hashes.csv", FAILURE, "hashes.csv: all lines are blank or begin with `#`"),
        ("cut.csv.gz", FAILURE, "cut.csv.gz: the gzip data end too early"),
        ("t.csv.zst", FAILURE, "t.csv.zst: not in a format that is read here"),
        ("t.csv.zst", FAILURE, "this is a zstd file: unpack it with zstd -d"),
        ("t.csv.xz", FAILURE, "this is an xz file: unpack it with xz -d"),
        ("good.csv --drop clas", FAILURE, "good.csv: there is no column `clas`: the file has `a`"),
        ("good.csv --drop a-class", FAILURE, "good.csv: no column is left for values"),
        ("good.csv --delimiter ab", USAGE, "--delimiter: `ab` is not a character such as"),
        ("good.csv --comment no", USAGE, "--comment: `no` is not `none`, or a character"),
        ("digits:count=50 --drop a", USAGE, "--drop: this data is digits, which has no use"),
        ("digits:count=50 --label class", USAGE, "--label: this data is digits, which has no use"),
        ("digits:count=50 --columns a", USAGE, "--columns: this data is digits"),
        ("digits:count=50 --resize 0", USAGE, "--resize: `0` is not a size; write 32, or 24x32"),
        ("digits:count=50 --resize 3xx", USAGE, "--resize: `3xx` is not a size"),
        ("digits:count=50 --resize 8", USAGE, "--resize: this data is digits"),
    ];
    let train = |data: &str| {
        let normal = if data.contains("--likelihood") { "" } else { "--likelihood normal" };
        format!("train --out run --hidden 4 --latent 1 {normal} --data {data}")
    };
    let args: Vec<_> = rows.iter().map(|(data, ..)| train(data)).collect();
    let rows: Vec<_> =
        args.iter().zip(rows).map(|(a, (_, code, says))| (&a[..], code, says)).collect();
    assert_refused(&lab, &rows);
}

#[test]
fn commands_on_a_model() {
    let lab = Lab::new();
    lab.write("wine.csv", wine([1.0; 3]));
    lab.write("table.npy", table());
    lab.write("other.csv", "acid,weight,class\n1,2,red\n");
    lab.write("z.csv", "z1,z2\n0.5,1\n");
    lab.write("bad.csv", "z1,z2\n0.5,x\n");
    lab.write("wide.npy", npy_f32(5, &[0.5; 10]));
    lab.write("nan.npy", npy_f32(2, &[0.5, f32::NAN]));
    lab.write("bytes.npy", npy("|u1", false, &[2, 2], &[1, 2, 3, 4]));
    let mut high = vec![0.5f32; 2 * 784];
    (high[5], high[784 + 5]) = (2.0, 2.0);
    lab.write("high.npy", npy_f32(784, &high));
    lab.write("bad.toml", "outpu = 'x.csv'\n");
    lab.write("switch.toml", "draw = 3\n");
    lab.write("table.toml", "count = { a = 1 }\n");
    lab.write("broken.toml", "count = \n");
    let train = "--likelihood normal --hidden 8 --latent 2 --epochs 1";
    lab.run(&format!(
        "train --data wine.csv --label class {train} --test 0 --validation 0 --out run"
    ));
    lab.run("train --data digits:count=50 --hidden 8 --latent 2 --epochs 1 --out digits");
    std::fs::copy(lab.path("run/model.safetensors"), lab.path("alone")).expect("a copy");
    let rows = [
        ("encode alone -o z.csv", USAGE, "--data: the model was trained on a file; name it"),
        ("encode run --data wine.csv -o z.png", USAGE, "--output: these numbers are no pictures"),
        ("encode run --data wine.csv -o z.txt", USAGE, "does not end in .png, .npy or .csv"),
        ("encode -q run --data wine.csv -o no/z.csv", FAILURE, "no/z.csv: No such file"),
        ("encode run --data wine.csv -n 0 -o a.csv", USAGE, "-n: must be at least 1"),
        ("encode run --data wine.csv --format pdf -o a.csv", USAGE, "invalid value 'pdf'"),
        ("encode run --data wine.csv", USAGE, "--output <FILE>"),
        ("encode run --data other.csv -o a.csv", FAILURE, "other.csv: "),
        ("encode run --data wine.csv --label clas -o a.csv", FAILURE, "wine.csv: "),
        (
            "encode digits --part all -o a.csv",
            USAGE,
            "--part: this data has a test part of its own",
        ),
        ("encode run --data wine.csv --part some -o a.csv", USAGE, "invalid value 'some'"),
        (
            "encode run --data wine.csv --part validation -o a.csv",
            USAGE,
            "set no validation rows aside",
        ),
        ("encode run --data wine.csv --part test -o a.csv", USAGE, "set no test rows aside"),
        (
            "encode digits --data high.npy -o a.csv",
            FAILURE,
            "high.npy: row 1, column 6: the value 2",
        ),
        ("reconstruct -q digits --data high.npy -o a.csv", FAILURE, "high.npy: row 1, column 6"),
        ("evaluate -q digits --data high.npy", FAILURE, "high.npy: row 1, column 6: the value 2"),
        ("evaluate run --data table.npy --part test", USAGE, "--part: these are not the rows"),
        ("sample run --temperature 1e300 -o a.csv", USAGE, "--temperature: "),
        ("evaluate run --data table.npy --part train", USAGE, "--part: these are not the rows"),
        ("decode run nowhere.csv -o a.csv", FAILURE, "nowhere.csv: No such file"),
        ("decode run bad.csv -o a.csv", FAILURE, "bad.csv: line 2, column 2 (`z2`)"),
        ("decode run wine.csv -o a.csv", FAILURE, "wine.csv: "),
        (
            "decode run wide.npy -o a.csv",
            FAILURE,
            "wide.npy: rows of 5 values are not the model's 2",
        ),
        ("decode run nan.npy -o a.csv", FAILURE, "nan.npy: row 1, column 2: the value NaN"),
        ("decode run bytes.npy -o a.csv", FAILURE, "bytes.npy: rows of 2 bytes are not"),
        ("decode run z.csv -o a.png", USAGE, "the model's rows are not images"),
        ("decode run digits -o a.csv", FAILURE, "are not the model's 2 latents"),
        (
            "interpolate -q run --data wine.csv --from 1 --to 301 -o a.csv",
            USAGE,
            "--to: there is no row 301; rows are numbered from 1 to 300",
        ),
        (
            "interpolate -q run --data wine.csv --from 0 --to 300 -o a.csv",
            USAGE,
            "--from: there is no row 0; rows are numbered from 1 to 300",
        ),
        ("interpolate run --data wine.csv --from -1 --to 3 -o a.csv", USAGE, "invalid value '-1'"),
        (
            "interpolate run --data wine.csv --from 0 --to 3 --steps 1 -o a.csv",
            USAGE,
            "--steps: must be",
        ),
        ("interpolate run --data wine.csv --to 3 -o a.csv", USAGE, "--from <I>"),
        (
            "sample run --temperature -1 -o a.csv",
            USAGE,
            "--temperature: -1 is not a number of at least 0",
        ),
        ("sample run --temperature nan -o a.csv", USAGE, "--temperature: NaN is not"),
        ("sample run --temperature warm -o a.csv", USAGE, "invalid value 'warm'"),
        ("sample digits -n 90000000 -o a.png", USAGE, "-n: "),
        ("sample run -o a.png", USAGE, "the model's rows are not images; write a .csv"),
        ("sample run -n 3 -o no/a.csv", FAILURE, "no/a.csv: No such file"),
        (
            "evaluate run --data wine.csv --per-row a.png",
            USAGE,
            "--per-row: these numbers are no pictures",
        ),
        ("evaluate run --data wine.csv --per-row a", USAGE, "does not end in"),
        ("evaluate -q run --data wine.csv --per-row no/a.csv", FAILURE, "no/a.csv: No such file"),
        ("reconstruct run --data wine.csv -o a.png", USAGE, "the model's rows are not images"),
        ("completions cmd", USAGE, "invalid value 'cmd'"),
        ("man --out nowhere", FAILURE, "nowhere: No such file"),
        ("sample run --config nowhere.toml -o a.csv", FAILURE, "nowhere.toml: No such file"),
        (
            "sample run --config bad.toml -o a.csv",
            FAILURE,
            "bad.toml: `outpu` is no flag of elbo sample",
        ),
        ("sample run --config switch.toml -o a.csv", FAILURE, "switch.toml: `draw` is a switch"),
        ("sample run --config table.toml -o a.csv", FAILURE, "table.toml: `count` is neither"),
        ("sample run --config broken.toml -o a.csv", FAILURE, "broken.toml: "),
    ];
    assert_refused(&lab, &rows);
}

#[test]
fn standard_input_that_is_no_data() {
    let lab = Lab::new();
    for (bytes, says) in
        [("", "standard input: the file is empty"), ("a,b\n1\n", "standard input: line 2")]
    {
        let train = "train --data - --likelihood normal --out run";
        let output = lab.elbo(train).write_stdin(bytes).output().expect("runs");
        let error = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(output.status.code() == Some(1) && error.contains(says), "{error}");
        assert!(!lab.exists("run"));
    }
}

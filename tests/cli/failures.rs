//! Everything that can be wrong: one line that says so, the right exit code, and nothing written.

use crate::lab::{Lab, PLAIN, idx, npy, npy_f32, npz, table};
use safetensors::tensor::SafeTensors;
use std::collections::HashMap;

/// Wrong usage, and everything else that fails.
pub(crate) const USAGE: i32 = 2;
pub(crate) const FAILURE: i32 = 1;

/// Arguments, exit code, and a part of the message.
pub(crate) type Row<'a> = (&'a str, i32, &'a str);

/// Runs every command and complains about all that do not fail as they should.
#[track_caller]
pub(crate) fn assert_refused(lab: &Lab, rows: &[Row]) {
    let complaints: Vec<_> = rows.iter().filter_map(|row| complaint(lab, *row)).collect();
    let (wrong, all) = (complaints.len(), rows.len());
    assert!(complaints.is_empty(), "{wrong} of {all}:\n{}", complaints.join("\n"));
}

fn complaint(lab: &Lab, (args, code, says): Row) -> Option<String> {
    let before = lab.listing();
    let output = lab.elbo(args).output().expect("the program starts");
    let (text, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let errors = error.lines().filter(|l| l.starts_with("error:")).count();
    // clap adds its usage; a message of our own is the only line.
    let ours = !error.contains("--help");
    let what = match () {
        () if output.status.code() != Some(code) => format!("{} and not {code}", output.status),
        () if !error.contains(says) => format!("does not say {says:?}"),
        () if errors != 1 => format!("has {errors} lines of errors"),
        () if ours && error.lines().count() != 1 => "is more than one line".to_owned(),
        () if error.contains("panicked") => "panics".to_owned(),
        () if !text.is_empty() => format!("prints {text:?} as a result"),
        () if lab.listing() != before => "leaves something behind".to_owned(),
        () => return None,
    };
    Some(format!("elbo {args}: {what}\n  {}", error.trim_end()))
}

#[test]
fn settings_of_a_run() {
    let rows = [
        ("--lr 0", "--lr: 0 is not a number above 0"),
        ("--lr -1", "--lr: -1 is not"),
        ("--lr nan", "not a finite number"),
        ("--lr inf", "not a finite number"),
        ("--lr fast", "invalid value 'fast' for '--lr"),
        ("--epochs 0", "--epochs: 0 is not at least 1"),
        ("--epochs -1", "invalid value '-1' for '--epochs"),
        ("--epochs 5000000000", "is not in 0..=4294967295"),
        ("--stop-after 0", "--stop-after: must be at least 1"),
        ("--batch-size 0", "--batch-size: 0 is not at least 1"),
        ("--samples 0", "--samples: 0 is not at least 1"),
        ("--samples 18446744073709551615", "GB of memory"),
        ("--samples 1000000000000", "GB of memory"),
        ("--hidden 0", "--hidden: a width of 0"),
        ("--hidden wide", "--hidden: `wide` is not a width"),
        ("--hidden 99999999999", "--hidden: a width of 99999999999"),
        ("--hidden 16777216,16777216", "GB of memory"),
        ("--hidden 8/8", "--hidden: has 2 levels, but --latent has 1"),
        ("--latent 0", "--latent: a width of 0"),
        ("--inference top-down", "--inference: there is no order to choose"),
        (
            "--inference topdown --latent 4/2",
            "--inference: `topdown` is unknown; known are bottom-up",
        ),
        ("--prior vamp --hidden 8/8 --latent 4/2", "one level, or top-down inference"),
        ("--latent 4/", "is not a width"),
        ("--latent 4,2", "--latent: `4,2` is not a width"),
        ("--activation rely", "`rely` is unknown; known are relu"),
        ("--likelihood bernouli", "--likelihood: `bernouli` is unknown; known are bernoulli"),
        ("--likelihood normal:varience=1", "unknown setting; `normal` knows variance"),
        ("--likelihood normal:variance=0", "between 1e-30 and 1e30"),
        ("--likelihood normal:variance=nan", "normal:variance"),
        ("--likelihood normal:variance", "not of the form key=value"),
        ("--likelihood normal:variance=1,variance=2", "given twice"),
        ("--conditional nomal", "--conditional: `nomal` is unknown"),
        (
            "--conditional bernoulli --latent 4/2",
            "--conditional: `bernoulli` cannot score a latent",
        ),
        ("--posterior bernoulli", "--posterior: `bernoulli` cannot be drawn"),
        ("--posterior norml", "--posterior: `norml` is unknown"),
        ("--prior gaussian", "--prior: `gaussian` is unknown"),
        ("--init xavier", "--init: `xavier` is unknown"),
        ("--objective iwaee", "--objective: `iwaee` is unknown; known are elbo, iwae"),
        ("--objective iwae:k=5", "`iwae` has no settings"),
        ("--objective iwae --samples 3 --free-bits 1", "--free-bits: only the objective elbo"),
        ("--free-bits 1 --latent 4/2", "needs the closed-form KL"),
        ("--free-bits -1", "must not be negative"),
        ("--free-bits nan", "not a finite number"),
        ("--beta -1", "--beta: -1 is not"),
        ("--warmup inf", "not a finite number"),
        ("--schedule linear", "--schedule: `linear` is unknown"),
        ("--schedule step:every=0", "step:every: must be a whole number"),
        ("--schedule step:factor=2", "step:factor: must be above 0"),
        ("--clip 0", "--clip: 0 is not"),
        ("--adam-beta1 1", "--adam-beta1: 1 is not in [0, 1)"),
        ("--adam-beta2 nan", "not a finite number"),
        ("--adam-epsilon 0", "--adam-epsilon: 0 is not between 1.1754944e-38 and 3.4028235e38"),
        ("--adam-epsilon 1e-40", "--adam-epsilon: 1e-40 is not between 1.1754944e-38"),
        ("--weight-decay -1", "--weight-decay: -1 is not a number of at least 0"),
        ("--average 1", "--average: 1 is not a decay between 0 and 1"),
        ("--patience 3", "--patience: early stopping needs validation rows; add --validation"),
        ("--patience 0 --validation 0.1", "--patience: 0 is not at least 1"),
        ("--validation 1", "--validation: a fraction of 1"),
        ("--validation -0.1", "--validation: a fraction of -0.1"),
        ("--validation nan", "not a finite number"),
        ("--validation 0.9999", "no row is left for training"),
        ("--test 1.5", "--test: a fraction of 1.5"),
        ("--limit 0", "--limit: must be at least 1 row"),
        ("--binarize dynamc", "--binarize: `dynamc` is unknown; known are none"),
        ("--seed -1", "invalid value '-1' for '--seed"),
        ("--threads 0", "--threads: must be at least 1"),
        ("--threads 100000", "--threads: must be at least 1 and at most"),
        ("--dta x", "a similar argument exists: '--data'"),
        ("spare", "unexpected argument 'spare'"),
        ("--resume --force", "cannot be used with '--force'"),
        ("--resume --config a.toml", "cannot be used with '--config"),
    ];
    let lab = Lab::new();
    let small = "train --out run --data digits:count=50";
    let args: Vec<_> = rows.iter().map(|(args, _)| format!("{small} {args}")).collect();
    let rows: Vec<_> = args.iter().zip(rows).map(|(a, (_, says))| (&a[..], USAGE, says)).collect();
    assert_refused(&lab, &rows);
}

#[test]
fn commands() {
    let rows = [
        ("", USAGE, "Usage: elbo"),
        ("trian", USAGE, "a similar subcommand exists: 'train'"),
        ("train --quiett", USAGE, "'--quiet'"),
        ("evaluate", USAGE, "required arguments were not provided"),
        ("sample run", USAGE, "--output <FILE>"),
        ("info one two", USAGE, "unexpected argument 'two'"),
        ("check no-such-gradient", USAGE, "no check has `no-such-gradient` in its line"),
    ];
    let lab = Lab::new();
    // Without a command there is help, which is no error line.
    let help = lab.elbo(rows[0].0).output().expect("the program starts");
    assert_eq!(help.status.code(), Some(rows[0].1));
    assert!(String::from_utf8_lossy(&help.stderr).contains(rows[0].2));
    assert_refused(&lab, &rows[1..]);
}

/// A PNG's and a pickle's first bytes, and bytes of nothing.
fn foreign(lab: &Lab) {
    lab.write("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR and so on");
    lab.write("model.pkl", b"\x80\x04\x95\x1a\0\0\0\0\0\0\0}\x94(\x8c\x06weight");
    lab.write("noise.bin", (0..999u32).map(|i| (i * i / 7 + 5) as u8).collect::<Vec<_>>());
    lab.write("empty", b"");
}

#[test]
fn data() {
    let lab = Lab::new();
    foreign(&lab);
    std::fs::create_dir(lab.path("folder")).expect("a new folder");
    let zeros = |n| vec![0; n];
    lab.write("nan.npy", npy_f32(2, &[0.0, 1.0, 0.0, f32::NAN]));
    lab.write("inf.npy", npy_f32(2, &[f32::INFINITY, 1.0]));
    lab.write("high.npy", npy_f32(2, &[0.0, 1.0, 0.5, 1.0, 0.0, 1.5]));
    lab.write("low.npy", npy_f32(2, &[0.0, -0.5]));
    lab.write("table.npy", table());
    lab.write("complex.npy", npy("<c8", true, &[3, 2], &zeros(48)));
    let large = [0i64, 0, 0, 0, 0, (1 << 53) + 1].map(i64::to_le_bytes).concat();
    lab.write("large.npy", npy("<i8", false, &[3, 2], &large));
    lab.write("bool.npy", npy("|b1", false, &[3, 2], &[0, 1, 0, 1, 2, 0]));
    lab.write("dark.npy", npy_f32(2, &[0.0, 0.25, 0.5, 0.0]));
    lab.write("two.npz", npz(&[("X", npy_f32(2, &[0.5; 6])), ("y", npy_f32(3, &[0.5; 3]))]));
    lab.write("cut.npz", &npz(&[("X", table())])[..400]);
    #[cfg(not(feature = "parquet"))]
    lab.write("table.parquet", b"PAR1\x15 and so on");
    lab.write("text.npy", npy("<U4", false, &[3, 2], &zeros(96)));
    lab.write("short.npy", npy("<f4", false, &[3, 2], &zeros(20)));
    lab.write("long.npy", npy("<f4", false, &[3, 2], &zeros(28)));
    lab.write("none.npy", npy("<f4", false, &[0, 2], &[]));
    lab.write("scalar.npy", npy("<f4", false, &[], &zeros(4)));
    lab.write("huge.npy", npy("<f4", false, &[usize::MAX, 2], &zeros(24)));
    lab.write("header.npy", &table()[..20]);
    lab.write("cut.idx", idx(&[6, 2, 2], &zeros(23)));
    lab.write("floats.idx", [&[0, 0, 0x0d, 1][..], &[0, 0, 0, 1], &zeros(4)].concat());
    lab.write("damaged.gz", [&[0x1f, 0x8b, 8, 0][..], &zeros(30)].concat());
    let rows = [
        ("digits:count=3", USAGE, "digits:count: must be a whole number from 5"),
        ("digits:count=1e8", USAGE, "digits:count: must be a whole number"),
        ("digits:cont=50", USAGE, "knows count, seed"),
        ("digits:50", USAGE, "not of the form key=value"),
        ("digit", FAILURE, "digit: No such file"),
        ("no/such.npy", FAILURE, "no/such.npy: No such file"),
        ("folder", FAILURE, "holds nothing that is read here"),
        ("empty", FAILURE, "the file is empty"),
        ("picture.png", FAILURE, "a PNG picture"),
        ("model.pkl", FAILURE, "a Python pickle"),
        ("noise.bin", FAILURE, "not in a format that is read here"),
        ("nan.npy", FAILURE, "nan.npy: row 2, column 2: the value NaN"),
        ("inf.npy", FAILURE, "inf.npy: row 1, column 1: the value inf"),
        ("high.npy --likelihood bernoulli", FAILURE, "high.npy: row 3, column 2: the value 1.5"),
        ("high.npy --binarize static", FAILURE, "high.npy: row 3, column 2: the value 1.5"),
        ("low.npy --likelihood bernoulli", FAILURE, "low.npy: row 1, column 2: the value -0.5"),
        (
            "complex.npy",
            FAILURE,
            "'<c8' where an integer, a float or bool is expected: store numpy.abs",
        ),
        (
            "large.npy",
            FAILURE,
            "large.npy: row 3, column 2: the integer 9007199254740993 is beyond 2⁵³",
        ),
        ("bool.npy", FAILURE, "bool.npy: the dtype is bool, but there is a byte of 2"),
        ("dark.npy --binarize threshold", USAGE, "makes every value of the training rows 0"),
        (
            "two.npz",
            FAILURE,
            "several arrays (X [3 × 2], y [1 × 3]): name one, as in --data two.npz:X",
        ),
        ("two.npz:z", FAILURE, "two.npz: there is no array `z`: there are X"),
        (
            "two.npz:X --label y",
            FAILURE,
            "two.npz:y: an array of 1 × 3 is not one value for each of 3 rows",
        ),
        ("cut.npz", FAILURE, "cut.npz: this is a zip archive, but damaged"),
        ("table.npy:X", FAILURE, "table.npy: only an archive of arrays (.npz) has parts like `X`"),
        #[cfg(not(feature = "parquet"))]
        ("table.parquet", FAILURE, "a Parquet file: build elbo with the feature"),
        ("text.npy", FAILURE, "text.npy: the dtype"),
        ("short.npy", FAILURE, "short.npy: "),
        ("long.npy", FAILURE, "long.npy: "),
        ("none.npy", FAILURE, "none.npy: "),
        ("scalar.npy", FAILURE, "scalar.npy: "),
        ("huge.npy", FAILURE, "more values than any file holds"),
        ("header.npy", FAILURE, "ends inside its header"),
        ("cut.idx", FAILURE, "cut off or damaged"),
        ("floats.idx", FAILURE, "f32"),
        ("damaged.gz", FAILURE, "gzip"),
    ];
    let args: Vec<_> =
        rows.iter().map(|(data, ..)| format!("train --out run --data {data}")).collect();
    let rows: Vec<_> =
        args.iter().zip(rows).map(|(a, (_, code, says))| (&a[..], code, says)).collect();
    assert_refused(&lab, &rows);
}

#[test]
fn models_and_outputs() {
    let lab = Lab::new();
    foreign(&lab);
    lab.write("table.npy", table());
    lab.write("wide.npy", npy_f32(5, &[0.5; 20]));
    lab.run("train --data digits:count=50 --hidden 8 --latent 2 --epochs 1 --out run");
    lab.run("train --data table.npy --likelihood normal --hidden 8 --latent 2 --epochs 1 --out t");
    std::fs::create_dir(lab.path("folder.npy")).expect("a new folder");
    std::fs::copy(lab.path("t/model.safetensors"), lab.path("alone")).expect("a copy");
    let rows = [
        ("info nowhere", FAILURE, "nowhere: No such file"),
        ("info .", FAILURE, "this folder holds no model.safetensors"),
        ("info empty", FAILURE, "empty: this is not a model"),
        ("info picture.png", FAILURE, "picture.png: this is not a model that elbo wrote"),
        ("info model.pkl", FAILURE, "model.pkl: this is not a model that elbo wrote"),
        ("evaluate noise.bin", FAILURE, "noise.bin: this is not a model that elbo wrote"),
        ("sample table.npy -o s.npy", FAILURE, "table.npy: this is not a model"),
        ("evaluate run --data wide.npy", FAILURE, "rows of 5 values do not fit the model's 784"),
        ("reconstruct t --data digits -o r.npy", FAILURE, "do not fit the model's 3"),
        ("evaluate alone", USAGE, "--data: the model was trained on a file; name it"),
        ("evaluate t --data nowhere.npy", FAILURE, "nowhere.npy: No such file"),
        ("evaluate run --samples 0", USAGE, "--samples: must be at least 1"),
        ("evaluate run --samples -5", USAGE, "'-5'"),
        ("evaluate run --limit 0", USAGE, "--limit: must be at least 1"),
        ("sample run -n 0 -o s.png", USAGE, "-n: must be at least 1"),
        ("sample run -n 99999999999999 -o s.npy", USAGE, "GB of memory"),
        ("sample run -o s.jpg", USAGE, "`s.jpg` does not end in .png, .npy or .csv"),
        ("sample run -o s", USAGE, "`s` does not end in .png, .npy or .csv"),
        ("sample run -o no/s.png", FAILURE, "no/s.png: No such file"),
        ("sample run -o folder.npy", FAILURE, "folder.npy: Is a directory"),
        ("sample t -o s.png", USAGE, "the model's rows are not images; write a .csv"),
        ("reconstruct run -n 0 -o s.png", USAGE, "-n: must be at least 1"),
        ("reconstruct run -o s.gif", USAGE, "does not end in .png, .npy or .csv"),
        ("reconstruct -q run -o no/s.npy", FAILURE, "no/s.npy: No such file"),
        ("train --quiet --out empty --data digits:count=50", FAILURE, "empty: "),
        ("train --config nowhere.toml", FAILURE, "nowhere.toml: No such file"),
        ("train --config picture.png", FAILURE, "picture.png: "),
    ];
    assert_refused(&lab, &rows);
}

#[test]
fn truncated_models() {
    let lab = Lab::new();
    lab.run("train --data digits:count=50 --hidden 8 --latent 2 --epochs 1 --out run");
    let whole = lab.bytes("run/model.safetensors");
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
    for length in [1, 7, 8, 100, header - 1, header, header + 1, whole.len() / 2, whole.len() - 1] {
        lab.write("cut.safetensors", &whole[..length]);
        assert_refused(&lab, &[("info cut.safetensors", FAILURE, "this is not a model")]);
        // A checkpoint is no better off.
        std::fs::create_dir_all(lab.path("cut")).expect("a folder");
        lab.write("cut/checkpoint.safetensors", &whole[..length]);
        assert_refused(&lab, &[("train --resume --out cut", FAILURE, "this is not a checkpoint")]);
    }
    let mut nan = whole.clone();
    let end = nan.len();
    nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    lab.write("nan.safetensors", nan);
    assert_refused(&lab, &[("evaluate nan.safetensors", FAILURE, "holds NaN")]);
    lab.write("long.safetensors", [&whole[..], b"more"].concat());
    assert_refused(&lab, &[("info long.safetensors", FAILURE, "this is not a model")]);
}

/// The same tensors under other metadata.
fn with_metadata(bytes: &[u8], metadata: Option<HashMap<String, String>>) -> Vec<u8> {
    let file = SafeTensors::deserialize(bytes).expect("a model file");
    safetensors::serialize(file.iter(), metadata).expect("tensors as before")
}

/// As Python's `save_file(tensors, path)` leaves them, and with the `metadata=` that the message asks
/// for.
#[test]
fn weights_that_lost_their_metadata() {
    let lab = Lab::new();
    lab.run("train --data digits:count=50 --hidden 8 --latent 2 --epochs 1 --out run");
    let bytes = lab.bytes("run/model.safetensors");
    lab.write("lost.safetensors", with_metadata(&bytes, None));
    let says = "without the metadata `elbo`, which says what model they are: pass it on when you save them";
    assert_refused(&lab, &[("info lost.safetensors", FAILURE, says)]);
    let (_, metadata) = SafeTensors::read_metadata(&bytes).expect("a model file");
    lab.write("kept.safetensors", with_metadata(&bytes, metadata.metadata().clone()));
    assert_eq!(lab.json("info kept.safetensors"), lab.json("info run"));
}

#[test]
fn settings_files() {
    let lab = Lab::new();
    let files = [
        ("typo", "epoch = 3", "unknown field `epoch`"),
        ("type", "epochs = \"three\"", "expected u32"),
        ("negative", "epochs = -3", "expected u32"),
        ("syntax", "epochs 3", "expected"),
        ("twice", "epochs = 3\nepochs = 4", "duplicate key"),
        ("nan", "beta = nan", "`beta` is not a finite number"),
        ("infinite", "clip = inf", "`clip` is not a finite number"),
        ("date", "beta = 2026-01-01", "invalid type"),
    ];
    for (name, text, says) in files {
        lab.write(name, text);
        let args = format!("train --out run --config {name}");
        assert_refused(&lab, &[(&args, FAILURE, &format!("{name}: ")), (&args, FAILURE, says)]);
    }
    // What can be read is then judged as flags are.
    lab.write("range", "lr = -1.0");
    assert_refused(&lab, &[("train --out run --config range", USAGE, "--lr: -1 is not")]);
    // A flag beside it may be larger than any number that TOML knows.
    lab.write("plain", "lr = 1e-3");
    lab.run(&format!("train {PLAIN} --config plain --limit {} --epochs 1", u64::MAX));
}

#[test]
fn resuming() {
    let lab = Lab::new();
    lab.write("table.npy", table());
    let small = "--hidden 8 --latent 2";
    lab.run(&format!("train --data digits:count=50 {small} --epochs 4 --stop-after 2 --out half"));
    lab.run(&format!("train --data digits:count=50 {small} --epochs 2 --out done"));
    lab.run(&format!(
        "train --data digits:count=50 {small} --epochs 2 --schedule cosine --out cosine"
    ));
    let rows = [
        ("train --resume --out nowhere", FAILURE, "holds no checkpoint to go on from"),
        ("train --resume", FAILURE, "runs/digits: holds no checkpoint"),
        ("train --resume --out half --lr 0.01", USAGE, "--lr: a resumed run keeps its settings"),
        ("train --resume --out half --seed 1 --latent 3", USAGE, "--latent, --seed: a resumed run"),
        ("train --resume --out half --epochs 3", USAGE, "--epochs: a resumed run"),
        ("train --resume --out done --epochs 1", USAGE, "--epochs: a resumed run"),
        ("train --resume --out cosine --epochs 4", USAGE, "depends on the number of epochs"),
        ("train --resume --out half --data digits:count=60", FAILURE, "the data is not what"),
        ("train --resume --out half --data digits:count=50,seed=1", FAILURE, "the data is not"),
        ("train --resume --out half --data table.npy", FAILURE, "the data is not what"),
        ("train --resume --out half --data gone.npy", FAILURE, "gone.npy: No such file"),
        ("train --out half", FAILURE, "half: holds an unfinished run of 4 epochs: add --resume"),
    ];
    assert_refused(&lab, &rows);

    // Unfinished beside a finished one, when more epochs were asked for; and with a model, as older
    // versions left a stopped run.
    lab.run("train --resume --out done --epochs 9 --stop-after 3");
    std::fs::copy(lab.path("done/model.safetensors"), lab.path("half/model.safetensors"))
        .expect("a copy");
    let rows = [
        ("train --out half", FAILURE, "half: holds an unfinished run of 4 epochs"),
        (
            "train --out done",
            FAILURE,
            "done: holds a finished run and an unfinished newer one of 9 epochs",
        ),
    ];
    assert_refused(&lab, &rows);
    lab.run(&format!("train --data digits:count=50 {small} --epochs 1 --force --out half"));
    assert_eq!(lab.epochs("half"), 1);
}

#[test]
fn a_diverging_run_stops_and_keeps_its_last_good_checkpoint() {
    let lab = Lab::new();
    let fails = |args: &str, says: &str| {
        let output = lab.elbo(args).output().expect("the program starts");
        let error = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(output.stdout.is_empty());
        let last = error.lines().last().expect("a message").to_owned();
        assert!(last.starts_with("error: the ") && last.contains(says), "{last}");
        last
    };
    // At once: the folder is free for another try.
    let at_once = format!("train {PLAIN} --likelihood normal --epochs 5 --out once");
    let message = fails(
        &format!("{at_once} --lr 1e9"),
        "is not finite at step 2: lower the learning rate (--lr, now 1000000000)",
    );
    assert!(message.contains("--clip") && message.contains("--standardize yes"), "{message}");
    lab.run(&at_once);
    // Nobody is told to do what he does.
    let careful = format!("{PLAIN} --likelihood normal --clip 1 --standardize yes");
    let message = fails(
        &format!("train {careful} --lr 1e9 --epochs 5 --force --out once"),
        "lower the learning rate",
    );
    assert!(!message.contains("--clip") && !message.contains("--standardize"), "{message}");

    // After some epochs of one step each: decay by 2.2 makes weights that change their sign and grow
    // by a fifth in every step.
    let one_step = PLAIN.replace("--batch-size 64", "--batch-size 500");
    let grows =
        format!("train {one_step} --likelihood normal --weight-decay 2200 --epochs 99 --out g");
    let message = fails(&grows, "lower --weight-decay (times --lr it is 2.2");
    assert!(!lab.exists("g/model.safetensors"));
    let epochs = lab.epochs("g");
    assert!(epochs >= 1, "{message}");
    // The checkpoint is good: the same steps from there end in the same way.
    let listing = || {
        let mut files = lab.listing();
        files.retain(|(path, _)| !path.ends_with("metrics.jsonl")); // times differ in length
        files
    };
    let before = listing();
    assert_eq!(fails("train --resume --out g", "is not finite"), message);
    assert_eq!(listing(), before);
    assert_eq!(lab.epochs("g"), epochs);
}

/// The super-user may write anywhere, so this shows nothing to him.
#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_written_to() {
    use std::os::unix::fs::PermissionsExt;
    let lab = Lab::new();
    lab.run("train --data digits:count=50 --hidden 8 --latent 2 --epochs 1 --out run");
    let locked = lab.path("locked");
    std::fs::create_dir(&locked).expect("a new folder");
    let allow = |mode| std::fs::set_permissions(&locked, std::fs::Permissions::from_mode(mode));
    allow(0o555).expect("a folder of ours");
    if std::fs::write(locked.join("probe"), "").is_err() {
        let rows = [
            ("sample run -o locked/s.png", FAILURE, "locked/s.png: Permission denied"),
            ("train --quiet --data digits:count=50 --out locked", FAILURE, "Permission denied"),
            ("train --quiet --data digits:count=50 --out locked/run", FAILURE, "Permission denied"),
        ];
        assert_refused(&lab, &rows);
    }
    allow(0o755).expect("a folder of ours");
}

/// A full disk: every write to this device fails.
#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written() {
    let lab = Lab::new();
    lab.run("train --data digits:count=50 --hidden 8 --latent 2 --epochs 1 --out run");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
    let output = std::process::Command::new(assert_cmd::cargo::cargo_bin!("elbo"))
        .args(["info", "run"])
        .current_dir(lab.path(""))
        .stdout(full)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output: No space left"));

    // By its name, through links of our own: a device is written to, not replaced.
    for (link, device) in [("full.csv", "/dev/full"), ("null.csv", "/dev/null")] {
        std::os::unix::fs::symlink(device, lab.path(link)).expect("a link");
    }
    assert_refused(&lab, &[("sample run -o full.csv", FAILURE, "full.csv: No space left")]);
    lab.run("sample run -n 3 -o null.csv");
    assert!(std::fs::symlink_metadata(lab.path("null.csv")).expect("a link").is_symlink());
}

//! A scratch folder in which `elbo` runs, and what the tests look at there.

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The files of a run on images.
pub(crate) const FILES: [&str; 6] = [
    "checkpoint.safetensors",
    "config.toml",
    "metrics.jsonl",
    "model.safetensors",
    "reconstructions.png",
    "samples.png",
];

/// One level on grey digits; an epoch takes milliseconds.
pub(crate) const PLAIN: &str =
    "--data digits:count=500 --hidden 24 --latent 4 --batch-size 64 --seed 3";

/// No command here takes seconds; one that hangs must not hang the tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder that goes away with the test.
pub(crate) struct Lab(TempDir);

impl Lab {
    pub(crate) fn new() -> Self {
        Lab(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).expect(name);
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.bytes(name)).expect("UTF-8")
    }

    /// `elbo` with these arguments, which spaces set apart, in the folder.
    pub(crate) fn elbo(&self, args: &str) -> assert_cmd::Command {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("elbo");
        command.current_dir(self.0.path()).args(args.split_whitespace()).timeout(PATIENCE);
        command
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub(crate) fn run(&self, args: &str) -> Output {
        let output = self.elbo(args).output().expect("the program starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "elbo {args}: {:?}\n{error}", output.status);
        output
    }

    /// Runs a command that must succeed and print one JSON object, on one line, and nothing else.
    #[track_caller]
    pub(crate) fn json(&self, args: &str) -> Value {
        let text = String::from_utf8(self.run(&format!("{args} --json")).stdout).expect("UTF-8");
        assert_eq!(text.matches('\n').count(), 1, "not one line: {text}");
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
    }

    /// Starts a command that is to be interrupted.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        std::process::Command::new(assert_cmd::cargo::cargo_bin!("elbo"))
            .current_dir(self.0.path())
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    /// The lines of a run's metrics, as they stand there.
    pub(crate) fn records(&self, run: &str) -> Vec<Value> {
        let text = self.text(&format!("{run}/metrics.jsonl"));
        text.lines().map(|l| serde_json::from_str(l).expect("a line is JSON")).collect()
    }

    /// How many lines of metrics there are; none without the file.
    pub(crate) fn epochs(&self, run: &str) -> usize {
        let text = std::fs::read_to_string(self.path(run).join("metrics.jsonl"));
        text.map_or(0, |t| t.lines().count())
    }

    /// The same run leaves the same files, but for the times in its metrics.
    #[track_caller]
    pub(crate) fn assert_same_run(&self, one: &str, other: &str) {
        for file in FILES.into_iter().filter(|f| *f != "metrics.jsonl") {
            let same =
                self.bytes(&format!("{one}/{file}")) == self.bytes(&format!("{other}/{file}"));
            assert!(same, "{file} of {one} and of {other} differ");
        }
        let timeless = |run| {
            let mut records = self.records(run);
            for record in &mut records {
                let record = record.as_object_mut().expect("a line is an object");
                for time in ["seconds", "rows_per_second"] {
                    record.remove(time).expect(time);
                }
            }
            records
        };
        assert_eq!(timeless(one), timeless(other), "metrics of {one} and of {other} differ");
    }

    /// Everything in the folder, at any depth, with its length.
    pub(crate) fn listing(&self) -> Vec<(PathBuf, u64)> {
        fn visit(folder: &Path, found: &mut Vec<(PathBuf, u64)>) {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    visit(&path, found);
                }
                let length = std::fs::metadata(&path).expect("a file").len();
                found.push((path, length));
            }
        }
        let mut found = Vec::new();
        visit(self.0.path(), &mut found);
        found.sort();
        found
    }
}

/// Waits until something has happened; `false` if the child has ended before.
pub(crate) fn wait(child: &mut Child, happened: impl Fn() -> bool) -> bool {
    let start = Instant::now();
    while !happened() {
        if child.try_wait().expect("a child of ours").is_some() {
            return false;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain");
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// The keys of an object, in order.
#[track_caller]
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> =
        value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// A `.npy` file of version 1.0.
pub(crate) fn npy(descr: &str, fortran: bool, shape: &[usize], values: &[u8]) -> Vec<u8> {
    let axes: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({axes}), }}\n");
    let length = u16::try_from(header.len()).expect("a short header").to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), values].concat()
}

/// A `.npy` file of `f4` rows of `width` values.
pub(crate) fn npy_f32(width: usize, values: &[f32]) -> Vec<u8> {
    let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
    npy("<f4", false, &[values.len() / width, width], &bytes)
}

/// A `.npz` file of these arrays, which are stored as they are.
pub(crate) fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut archive = rawzip::ZipArchiveWriter::new(&mut bytes);
    for (name, content) in arrays {
        let (mut entry, config) =
            archive.new_file(format!("{name}.npy")).start().expect("a new entry");
        let mut writer = config.wrap(&mut entry);
        writer.write_all(content).expect("a vector takes everything");
        let (_, descriptor) = writer.finish().expect("as above");
        entry.finish(descriptor).expect("as above");
    }
    archive.finish().expect("as above");
    bytes
}

/// 60 rows of three numbers in [0, 1] that depend on each other a little.
pub(crate) fn table() -> Vec<u8> {
    let row = |i: i32| {
        let t = (i as f32 * 0.618).fract();
        [t, (1.0 - t) * 0.5 + 0.1 * (i % 3) as f32, t * t]
    };
    npy_f32(3, &(0..60).flat_map(row).collect::<Vec<_>>())
}

/// An IDX file of unsigned bytes.
pub(crate) fn idx(dims: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dims.len() as u8];
    bytes.extend(dims.iter().flat_map(|d| d.to_be_bytes()));
    bytes.extend(values);
    bytes
}

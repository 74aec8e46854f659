//! A run's folder: its files, the run that they hold, and when that may be replaced.

use crate::run::Run;
use elbo::data::Expected;
use elbo::error::{Error, Result};
use elbo::model_file::{Header, write_whole};
use elbo::train::Progress;
use elbo::train::checkpoint::Checkpoint;
use std::path::{Path, PathBuf};

/// The files of a run's folder.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.file("checkpoint.safetensors")
    }
    pub(crate) fn metrics(&self) -> PathBuf {
        self.file("metrics.jsonl")
    }
}

/// The run and the header that belong to a checkpoint.
pub(crate) struct Description<'a> {
    pub(crate) run: &'a Run,
    pub(crate) header: &'a Header,
}

impl Description<'_> {
    pub(crate) fn to_json(&self) -> String {
        format!(r#"{{"header":{},"run":{}}}"#, self.header.to_json(), self.run.to_json())
    }
}

/// As [`Description`], read back.
#[derive(serde::Deserialize)]
pub(crate) struct Stored {
    pub(crate) header: Header,
    pub(crate) run: Run,
}

impl Stored {
    pub(crate) fn of(checkpoint: &Checkpoint) -> Result<Self> {
        serde_json::from_str(checkpoint.run()).map_err(|e| {
            Error::file(checkpoint.path(), format!("the checkpoint does not describe its run: {e}"))
        })
    }
}

/// How a resumed run is to read its bytes: as it did before.
pub(crate) fn bytes_of(checkpoint: &Checkpoint) -> Result<Expected> {
    let bytes = Stored::of(checkpoint)?.header.expected().bytes;
    Ok(Expected { bytes, ..Expected::default() })
}

/// The data must be the same as before.
pub(crate) fn check_data(checkpoint: &Checkpoint, header: &Header, folder: &Folder) -> Result<()> {
    let data = |h: &Header| {
        let fingerprint = h.training.as_ref().map(|t| t.data.fingerprint.clone());
        (fingerprint, h.columns.clone(), h.scaler.clone())
    };
    if data(&Stored::of(checkpoint)?.header) == data(header) {
        return Ok(());
    }
    let message = "the data is not what this run was started on; name the right one with --data";
    Err(Error::file(&folder.0, message))
}

pub(crate) fn default_folder(data: &str) -> PathBuf {
    let name = match data.split_once(':') {
        Some(("digits", _)) => "digits".to_owned(),
        _ => Path::new(data).file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    let stem = name.split('.').next().filter(|s| !s.is_empty()).unwrap_or("run");
    Path::new("runs").join(if stem == "-" { "stdin" } else { stem })
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The checkpoint to go on from.
pub(crate) fn open_checkpoint(folder: &Folder) -> Result<Checkpoint> {
    let path = folder.checkpoint();
    if !path.exists() {
        let message = "holds no checkpoint to go on from: name the run's folder with --out, or start \
                       it without --resume";
        return Err(Error::file(&folder.0, message));
    }
    Checkpoint::open(&path)
}

pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, e)),
        _ => Ok(()),
    }
}

/// An unfinished run is hours of work: it is not replaced by a forgotten flag.
pub(crate) fn refuse_to_replace(folder: &Folder) -> Result<()> {
    let Ok(checkpoint) = Checkpoint::open(&folder.checkpoint()) else { return Ok(()) };
    let run = Stored::of(&checkpoint).map(|stored| stored.run);
    let (planned, patience) = run.map_or((0, None), |run| (run.epochs, run.patience));
    // A stopped run has written a model too, and a finished one may have been given more epochs.
    let progress = checkpoint.progress()?;
    let done = progress.epoch >= planned || patience.is_some_and(|most| progress.waited >= most);
    let nothing_yet = progress == Progress::default();
    if nothing_yet || (done && folder.file("model.safetensors").exists()) {
        return Ok(());
    }
    let message = format!(
        "holds an unfinished run of {planned} epochs: add --resume to go on, --force to start anew, or another --out"
    );
    Err(Error::file(&folder.0, message))
}

/// Keeps the lines of the epochs that the checkpoint knows, and returns their seconds and rates.
pub(crate) fn keep_metrics(path: &Path, epochs: u32) -> Result<Vec<(f64, f64)>> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) if epochs > 0 => text,
        _ => String::new(),
    };
    let (mut kept, mut records) = (String::new(), Vec::new());
    for line in text.lines() {
        let Ok(record) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        if record["epoch"].as_u64().is_some_and(|e| e <= epochs as u64) {
            kept += &format!("{line}\n");
            records.push((
                record["seconds"].as_f64().unwrap_or(0.0),
                record["rows_per_second"].as_f64().unwrap_or(0.0),
            ));
        }
    }
    write_whole(path, kept.as_bytes())?;
    Ok(records)
}

pub(crate) fn append_line(path: &Path, line: &str) -> Result<()> {
    use std::io::Write;
    let append = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(format!("{line}\n").as_bytes())
    };
    append().map_err(|e| Error::io(path, e))
}

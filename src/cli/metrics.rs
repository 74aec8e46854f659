//! `metrics.jsonl`: a line for every epoch, and what a run's end looks back at.

use elbo::error::{Error, Result};
use elbo::model_file::write_whole;
use elbo::train::EpochRecord;
use serde_json::Value;
use std::path::Path;

/// What is kept of an epoch until the end of its run.
#[derive(Clone, Copy)]
pub(crate) struct Epoch {
    /// Seconds of its training steps.
    pub(crate) seconds: f64,
    pub(crate) rows_per_second: f64,
    /// The loss that decides which weights are kept: of the validation rows, or without them of the
    /// training rows. In nats per row.
    pub(crate) loss: f64,
}

impl From<&EpochRecord> for Epoch {
    fn from(r: &EpochRecord) -> Self {
        let loss = r.validation.unwrap_or(r.train).loss;
        Epoch { seconds: r.seconds, rows_per_second: r.rows_per_second, loss }
    }
}

impl Epoch {
    /// The epoch of a line.
    fn read(line: &Value) -> Self {
        let number = |value: &Value| value.as_f64().unwrap_or(0.0);
        let judged = if line["validation"].is_object() { "validation" } else { "train" };
        Epoch {
            seconds: number(&line["seconds"]),
            rows_per_second: number(&line["rows_per_second"]),
            loss: number(&line[judged]["loss"]),
        }
    }
}

/// Writes to `to` the lines of `from` that are of the first `epochs`, which the checkpoint knows, and
/// returns these epochs.
pub(crate) fn keep(from: &Path, to: &Path, epochs: u32) -> Result<Vec<Epoch>> {
    let text = match std::fs::read_to_string(from) {
        Ok(text) if epochs > 0 => text,
        _ => String::new(),
    };
    let (mut kept, mut records) = (String::new(), Vec::new());
    for line in text.lines() {
        let Ok(record) = serde_json::from_str::<Value>(line) else { continue };
        if record["epoch"].as_u64().is_some_and(|e| e <= epochs as u64) {
            kept += &format!("{line}\n");
            records.push(Epoch::read(&record));
        }
    }
    write_whole(to, kept.as_bytes())?;
    Ok(records)
}

/// Adds a line.
pub(crate) fn append(path: &Path, record: &EpochRecord) -> Result<()> {
    use std::io::Write;
    let line = serde_json::to_string(record).expect("finite numbers are JSON");
    let append = || -> std::io::Result<()> {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path)?;
        file.write_all(format!("{line}\n").as_bytes())
    };
    append().map_err(|e| Error::io(path, e))
}

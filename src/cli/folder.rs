//! A run's folder: the runs that it holds, and when a finished one is replaced.
//!
//! ```text
//! RUN/        a run: the finished one, if there is a model.safetensors, else one that is under way
//! RUN/next/   the run that is to replace the finished one
//! ```
//!
//! A run trains in RUN as long as that holds no finished run, else in RUN/next: the files of a finished
//! run are left alone. A run is finished by its model.safetensors, which is written last, by a rename.
//! If that is in RUN/next, the run's files then move up to RUN one by one, the model last
//! ([`Folder::settle`]). So wherever a process is killed, one whole run counts: that of
//! RUN/next/model.safetensors where this is there, else that of RUN ([`Folder::finished`]). The next
//! `train` completes the move. Pictures are no part of this: they are made again from the model.
//!
//! One process trains in a folder at a time ([`Folder::lock`]); those that only read need no lock.

use crate::run::Run;
use elbo::data::Expected;
use elbo::error::{Error, Result};
use elbo::model_file::Header;
use elbo::train::Progress;
use elbo::train::checkpoint::Checkpoint;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

pub(crate) const MODEL: &str = "model.safetensors";
const CHECKPOINT: &str = "checkpoint.safetensors";
const CONFIG: &str = "config.toml";
const METRICS: &str = "metrics.jsonl";
pub(crate) const SAMPLES: &str = "samples.png";
pub(crate) const RECONSTRUCTIONS: &str = "reconstructions.png";

/// A run's files; the model first, because without it nothing passes for a finished run.
const FILES: [&str; 6] = [MODEL, CHECKPOINT, METRICS, CONFIG, SAMPLES, RECONSTRUCTIONS];

/// A run's folder, and the names in it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
    pub(crate) fn model(&self) -> PathBuf {
        self.file(MODEL)
    }
    pub(crate) fn checkpoint(&self) -> PathBuf {
        self.file(CHECKPOINT)
    }
    pub(crate) fn config(&self) -> PathBuf {
        self.file(CONFIG)
    }
    pub(crate) fn metrics(&self) -> PathBuf {
        self.file(METRICS)
    }

    /// The place of the run that is to replace a finished one.
    pub(crate) fn next(&self) -> Folder {
        Folder(self.file("next"))
    }

    /// Where a run trains.
    pub(crate) fn workplace(&self) -> Folder {
        let next = self.next();
        if self.model().exists() || next.checkpoint().exists() { next } else { self.clone() }
    }

    /// Where the unfinished run is, if there is one, else the finished one: what `--resume` goes on with.
    pub(crate) fn latest(&self) -> Folder {
        let next = self.next();
        if next.checkpoint().exists() { next } else { self.clone() }
    }

    /// A file of the finished run, or where that would be.
    pub(crate) fn finished(&self, name: &str) -> PathBuf {
        let (next, newer) = (self.next(), self.next().file(name));
        if next.model().exists() && newer.exists() { newer } else { self.file(name) }
    }

    /// Moves a newer run that has finished to the place of the older one. Does nothing where there is
    /// none; may be repeated after a kill at any point.
    pub(crate) fn settle(&self) -> Result<()> {
        let next = self.next();
        if !next.model().exists() {
            return Ok(());
        }
        [SAMPLES, RECONSTRUCTIONS].iter().try_for_each(|name| remove(&self.file(name)))?;
        for name in [METRICS, CONFIG, CHECKPOINT, MODEL] {
            match std::fs::rename(next.file(name), self.file(name)) {
                // Moved before a kill.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                moved => moved.map_err(|e| Error::io(next.file(name), e))?,
            }
        }
        let _ = std::fs::remove_dir(&next.0); // it stays if somebody keeps files of his own there
        Ok(())
    }

    /// Removes the runs that the folder holds, finished or not.
    pub(crate) fn clear(&self) -> Result<()> {
        for folder in [self, &self.next()] {
            FILES.iter().try_for_each(|name| remove(&folder.file(name)))?;
        }
        let _ = std::fs::remove_dir(self.next().0); // as above
        Ok(())
    }

    /// Removes what processes that were killed were writing ([`elbo::model_file::write_whole`]).
    pub(crate) fn sweep(&self) -> Result<()> {
        for folder in [self, &self.next()] {
            let entries = std::fs::read_dir(&folder.0).into_iter().flatten().flatten();
            for name in entries.filter_map(|entry| entry.file_name().into_string().ok()) {
                if FILES.iter().any(|file| is_temporary(&name, file)) {
                    remove(&folder.file(&name))?;
                }
            }
        }
        Ok(())
    }

    /// Keeps other processes from training here, until the lock is dropped or the process ends in
    /// whatever way. `None` if there is no folder yet.
    ///
    /// # Errors
    /// If another process has the lock.
    pub(crate) fn lock(&self) -> Result<Option<File>> {
        let lock = match lockable(&self.0) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            found => found.map_err(|e| Error::io(&self.0, e))?,
        };
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => {
                let message = "another elbo train is at work in this folder: wait until it has \
                               ended, or choose another with --out";
                Err(Error::file(&self.0, message))
            }
            // A file system without locks is no reason not to train.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Some(lock)),
        }
    }
}

/// Whether `name` is `file.PROCESS.tmp`.
fn is_temporary(name: &str, file: &str) -> bool {
    let process = name.strip_prefix(file).and_then(|rest| rest.strip_prefix('.'));
    let process = process.and_then(|rest| rest.strip_suffix(".tmp"));
    process.is_some_and(|process| process.parse::<u32>().is_ok())
}

/// What is locked: the folder itself, so that nothing is left in it.
#[cfg(unix)]
fn lockable(folder: &Path) -> std::io::Result<File> {
    File::open(folder)
}

/// What is locked, where a folder cannot be: a file in it, which stays.
#[cfg(not(unix))]
fn lockable(folder: &Path) -> std::io::Result<File> {
    File::options().write(true).create(true).truncate(false).open(folder.join(".lock"))
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

/// How a resumed run is to read its bytes, and what its columns are: as it did before.
pub(crate) fn read_before(checkpoint: &Checkpoint) -> Result<Expected> {
    let Expected { bytes, kinds, .. } = Stored::of(checkpoint)?.header.expected();
    Ok(Expected { bytes, kinds, ..Expected::default() })
}

/// The data must be the same as before.
pub(crate) fn check_data(checkpoint: &Checkpoint, header: &Header, folder: &Folder) -> Result<()> {
    let data = |h: &Header| {
        let fingerprint = h.training.as_ref().map(|t| t.data.fingerprint.clone());
        (fingerprint, h.columns.clone(), h.scaler.clone(), h.conditions.clone())
    };
    if data(&Stored::of(checkpoint)?.header) == data(header) {
        return Ok(());
    }
    let message = "the data is not what this run was started on; name the right one with --data";
    Err(Error::file(&folder.0, message))
}

/// The checkpoint to go on from.
pub(crate) fn open_checkpoint(folder: &Folder) -> Result<Checkpoint> {
    let path = folder.latest().checkpoint();
    if !path.exists() {
        let message = "holds no checkpoint to go on from: name the run's folder with --out, or start \
                       it without --resume";
        return Err(Error::file(&folder.0, message));
    }
    Checkpoint::open(&path)
}

/// An unfinished run is hours of work: it is not replaced by a forgotten flag.
pub(crate) fn refuse_to_replace(folder: &Folder) -> Result<()> {
    let latest = folder.latest();
    let Ok(checkpoint) = Checkpoint::open(&latest.checkpoint()) else { return Ok(()) };
    let run = Stored::of(&checkpoint).map(|stored| stored.run);
    let (planned, patience) =
        run.map_or((0, None), |run| (run.train.all_epochs(), run.train.patience));
    // A run of older versions that was stopped has a model too.
    let progress = checkpoint.progress()?;
    let done = progress.epoch >= planned || patience.is_some_and(|most| progress.waited >= most);
    if progress == Progress::default() || (done && latest.model().exists()) {
        return Ok(());
    }
    let message = if latest == *folder {
        format!(
            "holds an unfinished run of {planned} epochs: add --resume to go on, --force to start \
             anew, or another --out"
        )
    } else {
        format!(
            "holds a finished run and an unfinished newer one of {planned} epochs, in {}: add \
             --resume to go on with that, remove it to start anew, --force to replace both at once, \
             or choose another --out",
            latest.0.display()
        )
    };
    Err(Error::file(&folder.0, message))
}

/// A path as a shell takes it.
pub(crate) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, e)),
        _ => Ok(()),
    }
}

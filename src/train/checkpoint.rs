//! The whole state of a run on disk, so that a stopped one continues to the same bits.
//!
//! Parameters, Adam's moments and the weight average are flat tensors; counters and sums are tensors
//! of `f64` (exact for counts below 2⁵³). Nothing else is state: noise and order are functions of the
//! seed and the counters. The run's header is stored too, and must be the same when it is resumed.

use super::trainer::{Best, Progress};
use super::{Trainer, WeightsKind};
use crate::error::{Error, Result};
use crate::optim::Average;
use crate::real::Real;
use crate::tensor_file::{Tensor, find_tensor, parse, read_tensor, serialize, write_whole};
use crate::vae::Score;
use safetensors::tensor::SafeTensors;
use std::path::Path;

/// The metadata key that holds the run's header.
const KEY: &str = "elbo-checkpoint";

/// Writes `trainer`'s state, whole or not at all. `run` is a description of the run that
/// [`Checkpoint::run`] gives back; the caller compares them.
///
/// # Errors
/// [`Error::Io`] if it cannot be written, [`Error::NonFinite`] if the state has diverged; an older
/// checkpoint is then still there.
pub fn save<T: Real>(path: &Path, trainer: &Trainer<T>, run: &str) -> Result<()> {
    trainer.check_finite()?; // or it would replace a checkpoint that is good
    let flat = |name: &str, values: &[T]| Tensor::new(name, vec![values.len()], values);
    let mut tensors = vec![
        flat("params", &trainer.params),
        flat("adam.m", &trainer.adam.m),
        flat("adam.v", &trainer.adam.v),
    ];
    let Progress { epoch, batch, sums, waited, cuts } = trainer.progress;
    let counters = [
        epoch as f64,
        batch as f64,
        waited as f64,
        trainer.adam.step as f64,
        sums.loss,
        sums.reconstruction,
        sums.kl,
    ];
    tensors.push(Tensor::new("counters", vec![counters.len()], &counters));
    if trainer.config().schedule.needs_validation() {
        tensors.push(Tensor::new("cuts", vec![1], &[f64::from(cuts)]));
    }
    if let Some(average) = &trainer.average {
        tensors.push(Tensor::new("average", vec![average.sum.len()], &average.sum));
        tensors.push(Tensor::new("average.steps", vec![1], &[average.steps as f64]));
    }
    if let Some(best) = &trainer.best {
        tensors.push(flat("best", &best.params));
        tensors.push(Tensor::new(
            "best.at",
            vec![3],
            &[best.epoch as f64, best.step as f64, best.loss],
        ));
    }
    write_whole(path, &serialize(&tensors, KEY, run.to_owned()))
}

/// A checkpoint in memory.
pub struct Checkpoint {
    path: std::path::PathBuf,
    bytes: Vec<u8>,
    run: String,
}

impl Checkpoint {
    /// Reads a checkpoint.
    ///
    /// # Errors
    /// [`Error::Io`] if there is none, [`Error::File`] if the file is not one.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, e))?;
        let (_, run) = parse(&bytes, KEY, "a checkpoint").map_err(|m| Error::file(path, m))?;
        Ok(Checkpoint { path: path.to_owned(), bytes, run })
    }

    /// The file that it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's description, as given to [`save`].
    pub fn run(&self) -> &str {
        &self.run
    }

    /// How far the run was.
    ///
    /// # Errors
    /// If the counters are missing or damaged.
    pub fn progress(&self) -> Result<Progress> {
        let counters = || -> std::result::Result<_, String> {
            read_counters(&parse(&self.bytes, KEY, "a checkpoint")?.0)
        };
        counters().map(|(progress, _)| progress).map_err(|m| Error::file(&self.path, m))
    }

    /// Puts the state into a trainer that was made with the same settings.
    ///
    /// # Errors
    /// If a tensor is missing or has another size; the trainer is then not to be used.
    pub fn restore<T: Real>(&self, trainer: &mut Trainer<T>) -> Result<()> {
        self.restore_into(trainer).map_err(|m| Error::file(&self.path, m))
    }

    fn restore_into<T: Real>(&self, trainer: &mut Trainer<T>) -> std::result::Result<(), String> {
        let (file, _) = parse(&self.bytes, KEY, "a checkpoint")?;
        read_tensor(&mut trainer.params, &file, "params")?;
        read_tensor(&mut trainer.adam.m, &file, "adam.m")?;
        read_tensor(&mut trainer.adam.v, &file, "adam.v")?;
        let (progress, step) = read_counters(&file)?;
        trainer.reach(progress).map_err(|e| e.to_string())?;
        if progress.batch > trainer.steps_per_epoch() {
            return Err("its counters do not fit the data".to_owned());
        }
        trainer.adam.step = step;
        if let Some(average) = &mut trainer.average {
            read_average(average, &file)?;
        }
        trainer.best = read_best(&file, trainer.params.len())?;
        Ok(())
    }

    /// Values of the parameters' buffer, gaps between tensors included.
    pub(crate) fn len(&self) -> std::result::Result<usize, String> {
        let (file, _) = parse(&self.bytes, KEY, "a checkpoint")?;
        Ok(find_tensor(&file, "params")?.shape().iter().product())
    }

    /// The weights that the run would keep if it ended here, as [`Trainer::weights`], in a buffer of
    /// [`Self::len`] values. `decay` is that of the run's weight average, if it has one.
    pub(crate) fn weights<T: Real>(
        &self,
        decay: Option<f64>,
    ) -> std::result::Result<(Vec<T>, WeightsKind), String> {
        let (file, _) = parse(&self.bytes, KEY, "a checkpoint")?;
        let len = self.len()?;
        let average = decay.is_some();
        if let Some(Best { epoch, step, params, .. }) = read_best(&file, len)? {
            return Ok((params, WeightsKind { average, best: true, epoch, step }));
        }
        let mut params = vec![T::zero(); len];
        read_tensor(&mut params, &file, "params")?;
        if let Some(decay) = decay {
            let mut average = Average::new(decay, len);
            read_average(&mut average, &file)?;
            average.write_to(&mut params);
        }
        let (Progress { epoch, .. }, step) = read_counters(&file)?;
        Ok((params, WeightsKind { average, best: false, epoch, step }))
    }
}

fn read_average(average: &mut Average, file: &SafeTensors<'_>) -> std::result::Result<(), String> {
    let mut steps = [0f64];
    read_tensor(&mut average.sum, file, "average")?;
    read_tensor(&mut steps, file, "average.steps")?;
    average.steps = count(steps[0], COUNTS)?;
    Ok(())
}

/// The best weights so far, `len` values, if the run has validation rows and has judged them.
fn read_best<T: Real>(
    file: &SafeTensors<'_>,
    len: usize,
) -> std::result::Result<Option<Best<T>>, String> {
    if file.tensor("best").is_err() {
        return Ok(None);
    }
    let (mut params, mut at) = (vec![T::zero(); len], [0f64; 3]);
    read_tensor(&mut params, file, "best")?;
    read_tensor(&mut at, file, "best.at")?;
    let (epoch, step) = (count(at[0], EPOCHS)? as u32, count(at[1], COUNTS)?);
    Ok(Some(Best { epoch, step, loss: at[2], params }))
}

/// How far the run was, and the optimiser's steps.
fn read_counters(file: &SafeTensors<'_>) -> std::result::Result<(Progress, u64), String> {
    let mut counters = [0f64; 7];
    read_tensor(&mut counters, file, "counters")?;
    let [epoch, batch, waited, step, loss, reconstruction, kl] = counters;
    // There only where the schedule has such.
    let mut cuts = [0f64];
    if file.tensor("cuts").is_ok() {
        read_tensor(&mut cuts, file, "cuts")?;
    }
    let progress = Progress {
        epoch: count(epoch, EPOCHS)? as u32,
        batch: count(batch, COUNTS)?,
        sums: Score { loss, reconstruction, kl },
        waited: count(waited, EPOCHS)? as u32,
        cuts: count(cuts[0], EPOCHS)? as u32,
    };
    Ok((progress, count(step, COUNTS)?))
}

/// Counts are below this, where `f64` holds all of them.
const COUNTS: f64 = (1u64 << 53) as f64;

/// Epochs are below this: a run that goes on counts further, and there must be room for it.
const EPOCHS: f64 = (1u64 << 31) as f64;

/// A count that was stored as a number.
fn count(value: f64, limit: f64) -> std::result::Result<u64, String> {
    match (0.0..limit).contains(&value) && value.fract() == 0.0 {
        true => Ok(value as u64),
        false => Err("its counters are damaged".to_owned()),
    }
}

//! `elbo train`

use crate::Common;
use crate::folder::{
    Description, Folder, Stored, append_line, bytes_of, check_data, default_folder, keep_metrics,
    open_checkpoint, quoted, refuse_to_replace, remove,
};
use crate::generate::{write_reconstructions, write_samples};
use crate::progress::Training;
use crate::reading::in_data;
use crate::run::Run;
use crate::terminal::{thousands, two_columns};
use clap::Args;
use elbo::data::{Part, Parts, Roles, Source};
use elbo::error::{Error, Result};
use elbo::family::Member;
use elbo::model_file::{Header, Model, ScalerHeader, TrainingHeader, write_whole};
use elbo::train::checkpoint::{self, Checkpoint};
use elbo::train::{Ending, EpochRecord, Observer, Progress, StepReport, TrainConfig, Trainer};
use elbo::vae::{Vae, VaeConfig};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

/// Train a model
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct TrainArgs {
    /// The run's folder [default: runs/NAME-OF-THE-DATA]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in the folder, with its own settings; --epochs may be raised
    #[arg(long, conflicts_with = "config")]
    resume: bool,
    /// Stop in good order after so many epochs in all, as if interrupted
    #[arg(long, value_name = "EPOCHS")]
    stop_after: Option<u32>,
    /// Start anew even if the folder holds an unfinished run
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    #[command(flatten)]
    run: Run,
}

const EXAMPLES: &str = "Examples:
  elbo train                                                the embedded digits, into runs/digits/
  elbo train --data mnist/ --hidden 400 --latent 20 --epochs 10
  elbo train --data mnist/ --binarize dynamic --objective iwae --samples 50 --hidden 200,200 --latent 50
  elbo train --data wine.csv --label class --likelihood normal --hidden 64,64 --latent 4 --batch-size 32 --epochs 300 --validation 0.1 --patience 20
  elbo train --data photos/ --resize 32 --likelihood normal:variance=0.01
  elbo train --hidden 200,200/100 --latent 100/50           a chain of two levels
  elbo train --out runs/digits --resume                     go on where it stopped

The folder then holds model.safetensors, checkpoint.safetensors, metrics.jsonl, config.toml and, for
images, samples.png and reconstructions.png.";

/// The end of the help: the members of every family, from the families' own lists, and examples.
pub(crate) fn after_help() -> String {
    fn list<O>(title: &str, members: &[Member<O>]) -> String {
        let lines = members.iter().map(|m| format!("  {}: {}\n", m.name, m.summary));
        format!("{title}:\n{}\n", lines.collect::<String>())
    }
    let distributions = list("Distributions", &elbo::distribution::members::<f32>());
    let priors = list("Priors", &elbo::prior::members::<f32>());
    let objectives = list("Objectives", &elbo::objective::members::<f32>());
    let readers = elbo::data::readers();
    let readers = readers.iter().map(|r| format!("  {}: {}\n", r.name, r.summary));
    let data = format!("Data:\n{}\n", readers.collect::<String>());
    format!("{data}{distributions}{priors}{objectives}{EXAMPLES}")
}

/// Values that the pictures of a finished run may have.
const PICTURE: usize = 1 << 25;

/// Set by Ctrl-C.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// A run that is ready to go.
struct Job {
    folder: Folder,
    run: Run,
    header: Header,
    trainer: Trainer<f32>,
    /// What the checkpoints say of the run.
    state: String,
    /// Seconds and rows per second of the epochs that are done.
    records: Vec<(f64, f64)>,
}

pub(crate) fn train(
    args: TrainArgs,
    matches: &clap::ArgMatches,
    common: &Common,
) -> Result<ExitCode> {
    let mut job = prepare(&args, matches, common)?;
    announce(common, &job.trainer, &job.folder);
    // The handler lives as long as the process; a second Ctrl-C ends it at once.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
    let per_epoch = job.trainer.steps_per_epoch();
    let mut watcher = Watcher {
        folder: &job.folder,
        state: &job.state,
        stop_after: args.stop_after.unwrap_or(u32::MAX),
        progress: Training::new(common, job.run.epochs, per_epoch, job.trainer.steps()),
        records: std::mem::take(&mut job.records),
    };
    let ending = match job.trainer.progress().epoch >= watcher.stop_after {
        true => Ok(Ending::Stopped), // resumed where it was to stop
        false => job.trainer.run(&mut watcher),
    };
    watcher.progress.finish();
    job.records = watcher.records;
    match ending? {
        Ending::Stopped if INTERRUPTED.load(Ordering::Relaxed) => interrupted(&job, common),
        Ending::OutOfPatience => {
            common.note("the validation loss has stopped improving");
            finish(job, common)
        }
        _ => finish(job, common),
    }
}

/// Settings, data, model and folder: everything that can be wrong is told here, before any work.
fn prepare(args: &TrainArgs, matches: &clap::ArgMatches, common: &Common) -> Result<Job> {
    let folder_of = |data: &str| Folder(args.out.clone().unwrap_or_else(|| default_folder(data)));
    let resumed = match args.resume {
        true => Some(open_checkpoint(&folder_of(&args.run.data))?),
        false => None,
    };
    let run = settings(args, common.config.as_deref(), matches, resumed.as_ref())?;
    let folder = folder_of(if args.resume { &args.run.data } else { &run.data });
    if args.stop_after == Some(0) {
        return Err(Error::setting("--stop-after", "must be at least 1 epoch"));
    }
    if resumed.is_none() && !args.force {
        refuse_to_replace(&folder)?;
    }
    let (config, roles) = (run.config()?, run.roles()?);
    run.model(1)?; // wrong settings are told before the data is read
    let mut options = run.options()?;
    if let Some(checkpoint) = &resumed {
        options.expected = Some(bytes_of(checkpoint)?);
    }
    let source = Source::open_with(&run.data, &options)?;
    source.notes.iter().for_each(|note| common.remark(Some(note)));
    let model = run.model(source.train.width())?;
    let standardizes = run.standardizes(&source.train, &model.likelihood)?;
    // Data with a test part of its own gave up no rows: nobody may split them off later.
    let kept = Roles { test: if source.test.is_some() { 0.0 } else { roles.test }, ..roles };
    let mut parts = Parts::new(source, roles).map_err(|e| in_data(e, &run.data))?;
    if standardizes {
        parts.standardize().map_err(|e| in_data(e, &run.data))?;
    }
    let header = describe(&run, &model, &config, &kept, &parts.train);
    warn_of_constant_columns(&parts.train, &model, common)?;
    let mut trainer =
        Trainer::<f32>::new(model, config, parts).map_err(|e| in_data(e, &run.data))?;
    if let Some(checkpoint) = &resumed {
        check_data(checkpoint, &header, &folder)?;
        checkpoint.restore(&mut trainer)?;
    }
    if let Some(reason) = trainer.cross_entropy() {
        common.remark(Some(&format!("the loss is a cross-entropy, not a likelihood: {reason}")));
    }

    std::fs::create_dir_all(&folder.0).map_err(|e| Error::io(&folder.0, e))?;
    let state = Description { run: &run, header: &header }.to_json();
    if resumed.is_none() {
        if folder.file("model.safetensors").exists() {
            common
                .remark(Some(&format!("this replaces the finished run in {}", folder.0.display())));
        }
        // From its first moment on the folder holds this run, not parts of an older one.
        ["checkpoint.safetensors", "model.safetensors", "samples.png", "reconstructions.png"]
            .iter()
            .try_for_each(|name| remove(&folder.file(name)))?;
    }
    write_whole(&folder.file("config.toml"), run.to_toml().as_bytes())?;
    let records = keep_metrics(&folder.metrics(), trainer.progress().epoch)?;
    if resumed.is_none() {
        checkpoint::save(&folder.checkpoint(), &trainer, &state)?;
    }
    Ok(Job { folder, run, header, trainer, state, records })
}

/// What the model file says besides the weights.
fn describe(
    run: &Run,
    model: &VaeConfig,
    config: &TrainConfig,
    roles: &Roles,
    part: &Part,
) -> Header {
    let data = part.data();
    let mut training = TrainingHeader::new(config, roles, data, run.embedded());
    training.data.label = run.label.clone();
    Header {
        columns: data.columns().map(<[String]>::to_vec),
        scaler: part.scaler().map(ScalerHeader::from),
        training: Some(training),
        ..Header::new(model, data.image())
    }
}

/// A variance that follows a constant column falls without end.
fn warn_of_constant_columns(part: &Part, model: &VaeConfig, common: &Common) -> Result<()> {
    if !elbo::distribution::build::<f32>(&model.likelihood)?.learns_spread() {
        return Ok(());
    }
    let constant = part.columns()?.constant();
    let Some(first) = constant.first() else { return Ok(()) };
    let name = match part.data().columns() {
        Some(names) => format!("`{}`", names[*first]),
        None => first.to_string(),
    };
    let others = match constant.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    common.remark(Some(&format!(
        "column {name}{others} has the same value in every training row: its variance is learned towards 0 and its \
         density grows without bound; leave it out, or fix the variance (--likelihood normal:variance=1)"
    )));
    Ok(())
}

/// After Ctrl-C: keep the place and say how to go on.
fn interrupted(job: &Job, common: &Common) -> Result<ExitCode> {
    checkpoint::save(&job.folder.checkpoint(), &job.trainer, &job.state)?;
    let &Progress { epoch, batch, .. } = job.trainer.progress();
    let place = match batch {
        0 => format!("after epoch {epoch}"),
        _ => format!(
            "in epoch {}, after {batch} of its {} steps",
            epoch + 1,
            job.trainer.steps_per_epoch()
        ),
    };
    common.note(format!(
        "stopped {place}; go on with: elbo train --out {} --resume",
        quoted(&job.folder.0)
    ));
    Ok(ExitCode::from(130))
}

/// Flags over the checkpoint's settings, over `--config`, or over the defaults.
fn settings(
    args: &TrainArgs,
    config: Option<&Path>,
    matches: &clap::ArgMatches,
    resumed: Option<&Checkpoint>,
) -> Result<Run> {
    if let Some(checkpoint) = resumed {
        let stored = Stored::of(checkpoint)?;
        let run = args.run.over(&stored.run, matches);
        let changed: Vec<_> =
            run.differences(&stored.run).into_iter().filter(|f| f != "--data").collect();
        let extends = changed == ["--epochs"] && run.epochs >= stored.run.epochs;
        if !changed.is_empty() && !extends {
            let message =
                "a resumed run keeps its settings; only --epochs may be raised (and --data moved)";
            return Err(Error::setting(changed.join(", "), message));
        }
        if extends && run.config()?.schedule.needs_horizon() {
            let message = "this schedule depends on the number of epochs; plan with --epochs and --stop-after";
            return Err(Error::setting("--epochs", message));
        }
        return Ok(run);
    }
    let Some(path) = config else { return Ok(args.run.clone()) };
    let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
    // What the file leaves open stays at its default: the flags' own values fill the gaps.
    let base = args.run.with_toml(&text).map_err(|message| Error::file(path, message))?;
    Ok(args.run.over(&base, matches))
}

fn announce(common: &Common, trainer: &Trainer<f32>, folder: &Folder) {
    let parts = trainer.parts();
    let count = |part: Option<&elbo::data::Part>| part.map_or(0, |p| p.rows().len());
    common.note(format!(
        "{} training, {} validation and {} test rows of {} values; {} parameters; into {}",
        thousands(parts.train.rows().len()),
        thousands(count(parts.validation.as_ref())),
        thousands(count(parts.test.as_ref())),
        parts.train.data().width(),
        thousands(trainer.vae().layout().parameters()),
        folder.0.display()
    ));
    if trainer.progress().epoch > 0 || trainer.progress().batch > 0 {
        let (done, planned) = (trainer.progress().epoch, trainer.config().epochs);
        let more = if done >= planned { "; all are done, raise --epochs for more" } else { "" };
        common.note(format!("resumed after epoch {done} of {planned}{more}"));
    }
}

/// Writes metrics and checkpoints, shows progress, obeys Ctrl-C and `--stop-after`.
struct Watcher<'a> {
    folder: &'a Folder,
    state: &'a str,
    stop_after: u32,
    progress: Training,
    /// Seconds and rows per second of every epoch.
    records: Vec<(f64, f64)>,
}

impl Observer<f32> for Watcher<'_> {
    fn step(&mut self, _trainer: &Trainer<f32>, report: &StepReport) -> bool {
        self.progress.step(report);
        !INTERRUPTED.load(Ordering::Relaxed)
    }

    fn epoch(&mut self, trainer: &Trainer<f32>, record: &EpochRecord) -> Result<bool> {
        self.records.push((record.seconds, record.rows_per_second));
        // The line first: a resumed run drops the lines that its checkpoint does not know.
        append_line(
            &self.folder.metrics(),
            &serde_json::to_string(record).expect("finite numbers are JSON"),
        )?;
        checkpoint::save(&self.folder.checkpoint(), trainer, self.state)?;
        self.progress.epoch(record);
        Ok(record.epoch < self.stop_after && !INTERRUPTED.load(Ordering::Relaxed))
    }
}

/// Writes the model and its pictures, and reports.
fn finish(job: Job, common: &Common) -> Result<ExitCode> {
    let Job { folder, mut trainer, mut header, records, .. } = job;
    let (params, kind) = trainer.weights();
    let params = params.to_vec();
    header.weights = Some(kind.into());
    let vae = Vae::new(trainer.vae().config().clone())?;
    let model = Model { vae, params, header };
    model.save(folder.file("model.safetensors"))?;
    let held_out = trainer.test_score()?;
    if model.header.image.is_some() {
        let part = trainer.parts().test.as_ref().unwrap_or(&trainer.parts().train);
        // Fewer of large ones: a picture is to be looked at.
        let count = (PICTURE / model.vae.config().width).clamp(1, 100);
        write_samples(&folder.file("samples.png"), &model, count, trainer.config().seed)?;
        write_reconstructions(&folder.file("reconstructions.png"), &model, part, count.min(40))?;
    }

    // The first epoch also warms up caches and clocks.
    let after_first = if records.len() > 1 { &records[1..] } else { &records };
    let rate = after_first.iter().map(|r| r.1).fold(0.0, f64::max);
    let seconds = records.iter().map(|r| r.0).fold(0.0, |sum, s| sum + s);
    let json = json!({
        "out": folder.0.display().to_string(),
        "epochs": trainer.progress().epoch,
        "rows_per_second": rate,
        "seconds": seconds,
        "heldout": held_out.map(|s| json!({"loss": s.loss, "reconstruction": s.reconstruction, "kl": s.kl})),
    });
    let mut rows = vec![
        ("epochs", trainer.progress().epoch.to_string()),
        ("training time", format!("{seconds:.1} s")),
    ];
    if kind.best && kind.epoch == trainer.config().epochs {
        common.remark(Some("the last epoch was the best: more --epochs may be better still"));
    }
    if kind.best {
        rows.push(("weights", format!("of epoch {}, the best on the validation rows", kind.epoch)));
    }
    if let Some(score) = held_out {
        let parts = format!("reconstruction {:.4} + KL {:.4}", score.reconstruction, score.kl);
        // The importance-weighted bound is not the sum of its parts' averages.
        let relation = if trainer.config().objective.name() == "elbo" { " = " } else { "; " };
        rows.push(("test loss", format!("{:.4} nats{relation}{parts}", score.loss)));
    }
    rows.push(("model", folder.file("model.safetensors").display().to_string()));
    if model.header.image.is_some() {
        rows.push(("look at", folder.file("samples.png").display().to_string()));
    }
    common.result(&json, &two_columns(&rows))?;
    Ok(ExitCode::SUCCESS)
}

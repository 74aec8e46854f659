//! `elbo train`

use crate::Common;
use crate::chosen::Chosen;
use crate::defaults;
use crate::diagnosis::{Diagnosis, remedies};
use crate::folder::{
    Description, Folder, RECONSTRUCTIONS, SAMPLES, Stored, check_data, open_checkpoint, quoted,
    read_before, refuse_to_replace, remove,
};
use crate::generate::{write_reconstructions, write_samples};
use crate::metrics::{self, Epoch};
use crate::naming::{default_folder, located, why_numbered};
use crate::opening::{open_model, settings_of};
use crate::progress::Training;
use crate::reading::in_data;
use crate::remarks;
use crate::run::Run;
use crate::terminal::{self, counted, thousands, two_columns};
use crate::watcher::{self, Limits, Watcher};
use clap::Args;
use elbo::data::{Part, Parts, Roles, Source};
use elbo::error::{Error, Result};
use elbo::evaluate::DRAWS;
use elbo::family::Member;
use elbo::model_file::{Header, Model, TrainingHeader, write_whole};
use elbo::settings::finite;
use elbo::train::checkpoint::{self, Checkpoint};
use elbo::train::{Ending, Progress, TrainConfig, Trainer, WeightsKind};
use elbo::vae::{Score, VaeConfig};
use serde_json::json;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Train a model
#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct TrainArgs {
    /// The run's folder [default: runs/NAME-OF-THE-DATA, with a number if other data of that name have it]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in the folder (the newer one, if one is unfinished), with its own settings; --epochs may be raised
    #[arg(long, conflicts_with = "config")]
    resume: bool,
    /// Stop in good order after so many epochs in all, as if interrupted
    #[arg(long, value_name = "EPOCHS")]
    stop_after: Option<u32>,
    /// End after so much time, such as 60s, 10m or 2h, as if all epochs were done; a step is not broken off
    #[arg(long, value_name = "TIME", value_parser = time)]
    time: Option<Duration>,
    /// Remove what runs the folder holds, finished or not, and start anew at once
    #[arg(long, conflicts_with = "resume")]
    force: bool,
    #[command(flatten)]
    run: Run,
    /// Let every latent spend so many nats for free: short for --objective elbo:free-bits=NATS [default: 0]
    #[arg(long, value_name = "NATS", value_parser = finite, help_heading = "Objective")]
    free_bits: Option<f64>,
}

/// `90`, `60s`, `10m` or `2h`.
fn time(text: &str) -> std::result::Result<Duration, String> {
    let units = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let found = units.iter().find_map(|(unit, s)| text.strip_suffix(unit).map(|t| (t, *s)));
    let (number, unit) = found.unwrap_or((text, 1.0));
    let seconds = number.parse::<f64>().ok().filter(|n| *n > 0.0).map(|n| n * unit);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    time.ok_or_else(|| "not a time above 0, such as 60s, 10m or 2h".to_owned())
}

const EXAMPLES: &str = "Examples:
  elbo train                                                the embedded digits, into runs/digits/
  elbo train --data mnist/ --hidden 400 --latent 20 --epochs 10
  elbo train --data mnist/ --binarize dynamic --objective iwae --samples 50 --hidden 200,200 --latent 50
  elbo train --data wine.csv --label class                  a table: likelihood, sizes and epochs that fit it are said and used
  elbo train --data photos/ --resize 32                     colour pictures, likewise
  elbo train --condition label                              given each digit's label; then elbo sample … --label 7
  elbo train --hidden 200,200/100 --latent 100/50 --skip both    a chain of two levels that see past each other
  elbo train --hidden 300/300 --latent 40/40 --inference top-down --skip down --prior vamp    two levels, the upper one inferred first
  elbo train --binarize dynamic --prior exemplar            kernels at the latents of all training rows
  elbo train --network 'dense=400 dropout=0.2' --prior mixture:components=10
  elbo train --out runs/digits --resume                     go on where it stopped
  elbo train --data new.csv --from runs/wine --time 60s     a minute more for a trained model, on new data

The folder then holds model.safetensors, checkpoint.safetensors, metrics.jsonl, config.toml and, for
images, samples.png and reconstructions.png. A finished run that it holds already stays whole until the
new one, which trains in next/ there, has finished.";

/// The end of the help: the members of every family, from the families' own lists, and examples.
pub(crate) fn after_help() -> String {
    fn list<O>(title: &str, members: &[Member<O>]) -> String {
        let lines = members.iter().map(|m| format!("  {}: {}\n", m.name, m.summary));
        format!("{title}:\n{}\n", lines.collect::<String>())
    }
    let layers = list("Layers", &elbo::nn::members::<f32>());
    let distributions = list("Distributions", &elbo::distribution::members::<f32>());
    let priors = list("Priors", &elbo::prior::members::<f32>());
    let objectives = list("Objectives", &elbo::objective::members::<f32>());
    let readers = elbo::data::readers();
    let readers = readers.iter().map(|r| format!("  {}: {}\n", r.name, r.summary));
    let data = format!("Data:\n{}\n", readers.collect::<String>());
    format!("{data}{layers}{distributions}{priors}{objectives}{EXAMPLES}")
}

/// Values that the pictures of a finished run may have.
const PICTURE: usize = 1 << 25;

/// A run that is ready to go.
struct Job {
    folder: Folder,
    /// Where in the folder it trains.
    workplace: Folder,
    /// Held until the process ends.
    _lock: Option<File>,
    run: Run,
    header: Header,
    trainer: Trainer<f32>,
    /// What the checkpoints say of the run.
    state: String,
    /// The epochs that are done, and how many of them were before this process.
    epochs: Vec<Epoch>,
    before: usize,
    start: Instant,
}

pub(crate) fn train(
    args: TrainArgs,
    matches: &clap::ArgMatches,
    common: &Common,
) -> Result<ExitCode> {
    let mut job = prepare(&args, matches, common)?;
    announce(common, &job);
    watcher::obey_interrupts();
    let (epochs, steps) = (job.run.train.all_epochs(), job.trainer.all_steps());
    let progress = Training::new(common, epochs, steps, job.trainer.steps());
    let epochs = std::mem::take(&mut job.epochs);
    // What no clock can count up to is no limit.
    let until = args.time.and_then(|time| job.start.checked_add(time));
    let limits = Limits { epochs: args.stop_after, until };
    let watcher = Watcher::new(&job.workplace, &job.state, limits, progress, epochs, &job.trainer);
    let (ending, epochs) = watcher.train(&mut job.trainer);
    job.epochs = epochs;
    let concluded = ending.and_then(|ending| match ending {
        Ending::Stopped if watcher::interrupted() => interrupted(&job, common),
        Ending::Stopped if job.trainer.progress().epoch < job.run.train.all_epochs() => {
            match limits.stop_after(job.trainer.progress().epoch) {
                true => stopped(&mut job, common),
                false => {
                    common.note(format!("the time is over {}", place(&job)));
                    finish(&mut job, common)
                }
            }
        }
        Ending::OutOfPatience => {
            common.note("the validation loss has stopped improving");
            finish(&mut job, common)
        }
        _ => finish(&mut job, common),
    });
    match concluded {
        Err(error @ Error::NonFinite { step, .. }) => diverged(&job, &error, step),
        concluded => concluded,
    }
}

/// Settings, data, model and folder: everything that can be wrong is told here, before any work.
fn prepare(args: &TrainArgs, matches: &clap::ArgMatches, common: &Common) -> Result<Job> {
    let start = Instant::now();
    let claim = |data: &str| -> Result<(Folder, Option<File>)> {
        let folder = args.out.clone().map_or_else(|| default_folder(data), Folder);
        let lock = folder.lock()?;
        folder.sweep()?;
        folder.settle()?;
        Ok((folder, lock))
    };
    let claimed = args.resume.then(|| claim(&args.run.task.data)).transpose()?;
    let resumed = claimed.as_ref().map(|(folder, _)| open_checkpoint(folder)).transpose()?;
    let (mut run, chosen) = settings(args, common.config.as_deref(), matches, resumed.as_ref())?;
    if args.stop_after == Some(0) {
        return Err(Error::setting("--stop-after", "must be at least 1 epoch"));
    }
    let (folder, lock) = claimed.map_or_else(|| claim(&run.task.data), Ok)?;
    let may_start = || match resumed.is_some() || args.force {
        true => Ok(()),
        false => refuse_to_replace(&folder),
    };
    may_start()?;
    // Wrong settings are told before the data is read.
    run.check()?;
    run.roles()?;
    run.task.model(1)?;
    let mut options = run.task.options()?;
    options.expected = resumed.as_ref().map(read_before).transpose()?;
    // Whoever names a likelihood means all columns by it; that of a run's own config.toml names each.
    let own = run.task.likelihood.starts_with("columns:");
    options.mixed = chosen.as_ref().is_some_and(|chosen| own || !chosen.has("likelihood"));
    let source = Source::open_with(&run.task.data, &options)?;
    source.notes.iter().for_each(|note| common.remark(Some(note)));
    let fitted = match chosen {
        Some(chosen) => defaults::fit(&mut run, &chosen, &source.train)?,
        None => None,
    };
    let (config, roles) = (run.train.clone(), run.roles()?);
    let mut model = run.task.model(source.train.width())?;
    let conditions = run.task.conditions(&source.train);
    model.forms = run.task.has_kinds(&source.train)?;
    let standardizes = !model.forms && run.task.standardizes(&source.train, &model.likelihood)?;
    // Data with a test part of its own gave up no rows: nobody may split them off later.
    let kept = Roles { test: if source.test.is_some() { 0.0 } else { roles.test }, ..roles };
    let mut parts = Parts::new(source, roles).map_err(|e| in_data(e, &run.task.data))?;
    if model.forms {
        parts.set_kinds().map_err(|e| in_data(e, &run.task.data))?;
    }
    if standardizes {
        parts.standardize().map_err(|e| in_data(e, &run.task.data))?;
    }
    if !conditions.is_empty() {
        parts.set_conditions(&conditions).map_err(|e| in_data(e, &run.task.data))?;
        let beside = parts.train.condition_width();
        model.condition = beside - usize::from(model.exposure);
        model.check()?;
    }
    if model.prior.name() == "exemplar" && model.prior.get("count").is_none() {
        model.prior = model.prior.with("count", parts.train.rows().len());
        model.check()?;
    }
    let header = describe(&run, &model, &config, &kept, &parts.train);
    let mut trainer =
        Trainer::<f32>::new(model, config, parts).map_err(|e| in_data(e, &run.task.data))?;
    remarks::on_columns(&trainer.parts().train, &trainer.vae().config().likelihood, common)?;
    common.remark(fitted.as_deref());
    if let Some(checkpoint) = &resumed {
        check_data(checkpoint, &header, &folder)?;
        checkpoint.restore(&mut trainer)?;
    } else if let Some(from) = &run.task.from {
        let trained = open_model(from.as_ref(), common)?;
        trainer.start_from(&trained.vae, &trained.params)?;
        common.note(format!("starts from the weights of {from}"));
    }
    if let Some(reason) = trainer.cross_entropy() {
        common.remark(Some(&format!("the loss is a cross-entropy, not a likelihood: {reason}")));
    }
    if args.out.is_none() {
        common.remark(why_numbered(&run.task.data, &folder).as_deref());
    }

    std::fs::create_dir_all(&folder.0).map_err(|e| Error::io(&folder.0, e))?;
    let lock = match lock {
        Some(lock) => Some(lock),
        None => {
            let lock = folder.lock()?;
            may_start()?; // another process may have been here in the meantime
            lock
        }
    };
    if args.force {
        folder.clear()?;
    }
    // What the run's files say of the data is true wherever they are read.
    run.task.data = located(&run.task.data);
    run.task.from = run.task.from.as_deref().map(located);
    let state = Description { run: &run, header: &header }.to_json();
    let (latest, workplace) = (folder.latest(), folder.workplace());
    std::fs::create_dir_all(&workplace.0).map_err(|e| Error::io(&workplace.0, e))?;
    // The checkpoint first: with it the workplace holds this run, and not parts of an older one.
    if resumed.is_none() || latest != workplace {
        checkpoint::save(&workplace.checkpoint(), &trainer, &state)?;
    }
    if resumed.is_none() {
        [SAMPLES, RECONSTRUCTIONS].iter().try_for_each(|name| remove(&workplace.file(name)))?;
    }
    write_whole(&workplace.config(), run.to_toml().as_bytes())?;
    let done = trainer.progress().epoch;
    let epochs = metrics::keep(&latest.metrics(), &workplace.metrics(), done)?;
    let before = epochs.len();
    Ok(Job { folder, workplace, _lock: lock, run, header, trainer, state, epochs, before, start })
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
    let training = TrainingHeader::new(config, roles, data, run.task.embedded());
    let header = Header::new(model, data.image()).with_columns(part.columns());
    let header = header.with_conditions(part.conditions()).with_kinds(data.kinds());
    Header { training: Some(training), ..header }
}

/// After Ctrl-C: keep the place and say how to go on.
fn interrupted(job: &Job, common: &Common) -> Result<ExitCode> {
    checkpoint::save(&job.workplace.checkpoint(), &job.trainer, &job.state)?;
    say_how_to_go_on(job, common);
    Ok(ExitCode::from(130))
}

/// After `--stop-after`: the epoch's checkpoint is there already.
fn stopped(job: &mut Job, common: &Common) -> Result<ExitCode> {
    let held_out = job.trainer.test_score()?;
    say_how_to_go_on(job, common);
    report(job, held_out, None, common)
}

fn say_how_to_go_on(job: &Job, common: &Common) {
    common.note(format!(
        "stopped {}; go on with: elbo train --out {} --resume",
        place(job),
        quoted(&job.folder.0)
    ));
}

/// How far the run is.
fn place(job: &Job) -> String {
    let &Progress { epoch, batch, .. } = job.trainer.progress();
    match batch {
        0 => format!("after epoch {epoch}"),
        _ => format!(
            "in epoch {}, after {batch} of its {} steps",
            epoch + 1,
            job.trainer.steps_per_epoch()
        ),
    }
}

/// After a loss that is not finite: say what may help, of what this run does not do already.
fn diverged(job: &Job, error: &Error, step: u64) -> Result<ExitCode> {
    let units = !job.trainer.parts().train.columns().have_units()
        && job
            .run
            .task
            .has_units(&job.trainer.vae().config().likelihood, job.trainer.vae().width())?;
    terminal::error(format!("{error}: {}", remedies(&job.run, step, units)));
    // A newer run that has done nothing is not in the way of the finished one.
    let saved = Checkpoint::open(&job.workplace.checkpoint()).and_then(|c| c.progress());
    if job.workplace != job.folder && saved.is_ok_and(|p| p == Progress::default()) {
        job.workplace.clear()?;
        let _ = std::fs::remove_dir(&job.workplace.0);
    }
    Ok(ExitCode::FAILURE)
}

/// Flags over the checkpoint's settings, over `--config`, or over the defaults. With which of them were
/// chosen, where the data may settle the others.
fn settings(
    args: &TrainArgs,
    config: Option<&Path>,
    matches: &clap::ArgMatches,
    resumed: Option<&Checkpoint>,
) -> Result<(Run, Option<Chosen>)> {
    let flags = Chosen::of(matches);
    let over = |base: &Run| args.run.over(base, &flags).with_free_bits(args.free_bits, &flags);
    if let Some(checkpoint) = resumed {
        let stored = Stored::of(checkpoint)?;
        let run = over(&stored.run)?;
        let changed: Vec<_> =
            run.differences(&stored.run).into_iter().filter(|f| f != "--data").collect();
        let extends = changed == ["--epochs"] && run.train.epochs >= stored.run.train.epochs;
        if !changed.is_empty() && !extends {
            let message =
                "a resumed run keeps its settings; only --epochs may be raised (and --data moved)";
            return Err(Error::setting(changed.join(", "), message));
        }
        if extends && (run.train.schedule.needs_horizon() || run.train.then.is_some()) {
            let message = "the schedule, or a stage, depends on the number of epochs; plan with --epochs and --stop-after";
            return Err(Error::setting("--epochs", message));
        }
        return Ok((run, None));
    }
    let (mut run, mut chosen) = match config {
        None => (over(&args.run)?, flags),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, e))?;
            // What the file leaves open stays at its default: the flags' own values fill the gaps.
            let base = args.run.with_toml(&text);
            let (base, keys) = base.map_err(|message| Error::file(path, message))?;
            (over(&base)?, flags.and(keys))
        }
    };
    // Weights fit the model that they are of, which nobody should have to describe again.
    if let Some(of) = run.task.from.as_ref().and_then(|from| settings_of(from.as_ref())) {
        run = run.with_model_of(&of, &mut chosen);
    }
    Ok((run, Some(chosen)))
}

fn announce(common: &Common, job: &Job) {
    let Job { trainer, folder, workplace, .. } = job;
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
    let &Progress { epoch, batch, waited, .. } = trainer.progress();
    let resumed = epoch > 0 || batch > 0;
    if workplace != folder {
        let keep = if resumed { "" } else { "; --out OTHER-FOLDER keeps both" };
        common.remark(Some(&format!(
            "{} holds a finished run, which is replaced when this one, in {}, has finished{keep}",
            folder.0.display(),
            workplace.0.display()
        )));
    }
    if resumed {
        let (planned, patience) = (job.run.train.all_epochs(), job.run.train.patience);
        let over = match patience {
            _ if epoch >= planned => "; all are done, raise --epochs for more".to_owned(),
            Some(most) if waited >= most => format!(
                "; it is over, for the validation loss has not improved for {waited} epochs \
                 (--patience {most}): train anew with more --patience"
            ),
            _ => String::new(),
        };
        common.note(format!("resumed after epoch {epoch} of {planned}{over}"));
    }
}

/// Writes the model and its pictures, and reports.
fn finish(job: &mut Job, common: &Common) -> Result<ExitCode> {
    let held_out = job.trainer.test_score()?;
    let (params, kind) = job.trainer.weights();
    let params = params.to_vec();
    let header = Header { weights: Some(kind.into()), ..job.header.clone() };
    let model = Model { vae: job.trainer.vae().clone(), params, header };
    let (folder, trainer) = (&job.folder, &job.trainer);
    model.save(job.workplace.model())?;
    folder.settle()?;
    if model.header.image.is_some() {
        let part = trainer.parts().test.as_ref().unwrap_or(&trainer.parts().train);
        // Fewer of large ones: a picture is to be looked at.
        let count = (PICTURE / model.vae.width()).clamp(1, 100);
        write_samples(&folder.file(SAMPLES), &model, count, trainer.config().seed)?;
        write_reconstructions(&folder.file(RECONSTRUCTIONS), &model, part, count.min(40))?;
    }
    let waited = trainer.progress().waited;
    let in_vain = job.run.train.patience.is_some_and(|patience| waited >= patience);
    let epochs = if in_vain { &[][..] } else { &job.epochs };
    let diagnosis = Diagnosis::of(&model.vae, &model.params, trainer.parts(), epochs)?;
    diagnosis.remarks().iter().for_each(|remark| common.remark(Some(remark)));
    report(job, held_out, Some((kind, diagnosis)), common)
}

/// The result, of a finished run with its weights and what is to be known of them.
fn report(
    job: &Job,
    held_out: Option<Score>,
    finished: Option<(WeightsKind, Diagnosis)>,
    common: &Common,
) -> Result<ExitCode> {
    let Job { folder, trainer, epochs, .. } = job;
    // The first epoch also warms up caches and clocks.
    let after_first = if epochs.len() > 1 { &epochs[1..] } else { epochs };
    let rate = after_first.iter().map(|e| e.rows_per_second).fold(0.0, f64::max);
    let seconds = |epochs: &[Epoch]| epochs.iter().map(|e| e.seconds).fold(0.0, |sum, s| sum + s);
    let wall = job.start.elapsed().as_secs_f64();
    let diagnosis = finished.as_ref().map(|(_, diagnosis)| diagnosis.to_json());
    let json = json!({
        "out": folder.0.display().to_string(),
        "finished": finished.is_some(),
        "epochs": trainer.progress().epoch,
        "rows_per_second": rate,
        "seconds": seconds(epochs),
        "wall_seconds": wall,
        "heldout": held_out.map(|s| json!({"loss": s.loss, "reconstruction": s.reconstruction, "kl": s.kl})),
        "diagnosis": diagnosis,
    });
    let since = if job.before > 0 { " since it was resumed" } else { "" };
    let steps = seconds(&epochs[job.before..]);
    let mut rows = vec![
        ("epochs", trainer.progress().epoch.to_string()),
        ("time", format!("{wall:.1} s{since}, of which {steps:.2} s in training steps")),
    ];
    if let Some((kind, _)) = finished.as_ref().filter(|(kind, _)| kind.best) {
        rows.push(("weights", format!("of epoch {}, the best on the validation rows", kind.epoch)));
    }
    if let Some(score) = held_out {
        let parts = format!("reconstruction {:.4} + KL {:.4}", score.reconstruction, score.kl);
        // The importance-weighted bound is not the sum of its parts' averages.
        let relation = if trainer.config().objective.name() == "elbo" { " = " } else { "; " };
        // More draws than these are a tighter look at the same weights.
        let draws = counted(trainer.config().samples, "draw");
        let more = format!("{draws} a row; elbo evaluate takes {DRAWS}");
        rows.push(("test loss", format!("{:.4} nats{relation}{parts} ({more})", score.loss)));
    }
    match finished {
        Some(_) => rows.push(("model", folder.model().display().to_string())),
        None => rows.push(("checkpoint", job.workplace.checkpoint().display().to_string())),
    }
    if finished.is_some() && job.header.image.is_some() {
        rows.push(("look at", folder.file(SAMPLES).display().to_string()));
    }
    common.result(&json, &two_columns(&rows))?;
    Ok(ExitCode::SUCCESS)
}

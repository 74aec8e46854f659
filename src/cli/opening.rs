//! The model that a path means: a file, or what a run's folder holds.

use crate::Common;
use crate::folder::{Folder, MODEL, Stored, quoted};
use crate::run::Run;
use elbo::error::{Error, Result};
use elbo::model_file::Model;
use elbo::train::Progress;
use elbo::train::checkpoint::Checkpoint;
use std::path::Path;

/// The model at `path`: a model file, a checkpoint, or a run's folder. In a folder the finished run
/// counts, and where there is none the unfinished one as it stands.
pub(crate) fn open_model(path: &Path, common: &Common) -> Result<Model<f32>> {
    if !path.is_dir() {
        return open_file(path, common);
    }
    let folder = Folder(path.to_owned());
    let model = folder.finished(MODEL);
    if model.exists() {
        if folder.latest() != folder && !folder.next().model().exists() {
            let at = Checkpoint::open(&folder.latest().checkpoint()).and_then(|c| place(&c));
            common.remark(Some(&format!(
                "this is the finished run; an unfinished newer one lies in {} ({}), {}",
                folder.next().0.display(),
                at.unwrap_or_else(|_| "damaged".to_owned()),
                go_on(&folder)
            )));
        }
        // A run that has finished just now may have moved up.
        return Model::open(&model).or_else(|_| Model::open(folder.finished(MODEL)));
    }
    if folder.checkpoint().exists() {
        let checkpoint = Checkpoint::open(&folder.checkpoint())?;
        let (model, what) = unfinished(&checkpoint)?;
        common.remark(Some(&format!("the run is unfinished: {what}, {}", go_on(&folder))));
        return Ok(model);
    }
    Err(Error::file(
        path,
        "this folder holds no model.safetensors; name a model file or a run's folder",
    ))
}

fn go_on(folder: &Folder) -> String {
    format!("elbo train --out {} --resume goes on with it", quoted(&folder.0))
}

/// A model file, or a checkpoint.
fn open_file(path: &Path, common: &Common) -> Result<Model<f32>> {
    let error = match Model::open(path) {
        Err(error @ Error::File { .. }) => error,
        opened => return opened,
    };
    // Of a file that is neither, the first error is the one to tell.
    let Ok(checkpoint) = Checkpoint::open(path) else { return Err(error) };
    let (model, what) = unfinished(&checkpoint)?;
    common.remark(Some(&format!("this is a checkpoint: {what}")));
    Ok(model)
}

/// The model that a run would leave if it ended at its checkpoint, and which weights it has.
fn unfinished(checkpoint: &Checkpoint) -> Result<(Model<f32>, String)> {
    let model = Model::from_checkpoint(checkpoint, Stored::of(checkpoint)?.header)?;
    let best = match model.header.weights {
        Some(weights) if weights.best => {
            format!(" (of epoch {}, the best on the validation rows so far)", weights.epoch)
        }
        _ => String::new(),
    };
    Ok((model, format!("these are its weights {}{best}", place(checkpoint)?)))
}

/// How far a run was.
fn place(checkpoint: &Checkpoint) -> Result<String> {
    let Progress { epoch, batch, .. } = checkpoint.progress()?;
    let planned = Stored::of(checkpoint)?.run.train.all_epochs();
    Ok(match batch {
        0 => format!("after epoch {epoch} of {planned}"),
        _ => format!("after {batch} steps of epoch {} of {planned}", epoch + 1),
    })
}

/// The settings of the run that a model is of, where its folder still holds them.
pub(crate) fn settings_of(path: &Path) -> Option<Run> {
    let folder = match path.is_dir() {
        true => path,
        // In a run's folder; a model that was copied elsewhere has left its run.
        false => path.parent().filter(|_| {
            ["model.safetensors", "checkpoint.safetensors"].iter().any(|name| path.ends_with(name))
        })?,
    };
    Run::of(&Folder(folder.to_owned()).finished("config.toml"))
}

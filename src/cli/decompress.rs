//! `elbo decompress`

use crate::Common;
use crate::opening::open_model;
use crate::progress::bar;
use crate::target::{EXTENSION, TargetArgs};
use crate::terminal::{print, two_columns};
use clap::Args;
use elbo::codec::archive::{Archive, FORMAT, FrameDescription, PROFILE};
use elbo::error::{Error, Result};
use elbo::model_file::{Model, write_whole};
use serde_json::json;
use std::fs::File;
use std::io::{Cursor, Read, Seek};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Give back what `elbo compress` has compressed
#[derive(Args)]
#[command(after_help = "Examples:
  elbo decompress test.npy.elbo --model runs/mnist            into test.npy
  elbo decompress test.npy.elbo -c --rows 100..200            rows 101 to 200 alone, without what stands before them
  elbo decompress -t test.npy.elbo                            whether it is whole, by reading all of it
  elbo decompress -l test.npy.elbo                            what it is: rows, bits, the model that it needs

An archive with its model inside needs no --model. A block that is damaged is named, and all others come back.")]
pub(crate) struct DecompressArgs {
    /// The archive; `-` for standard input
    archive: PathBuf,
    /// The model that it was written with, if that is not inside
    #[arg(long, short, value_name = "RUN")]
    model: Option<PathBuf>,
    #[command(flatten)]
    target: TargetArgs,
    /// Read all of it, and write nothing
    #[arg(long, short, conflicts_with_all = ["output", "stdout", "list"])]
    test: bool,
    /// Say what it is, and read no row
    #[arg(long, short, conflicts_with_all = ["output", "stdout"])]
    list: bool,
    /// These rows alone, counted from 0, the last one left out
    #[arg(long, value_name = "A..B", value_parser = range, conflicts_with_all = ["test", "list"])]
    rows: Option<Range<u64>>,
}

fn range(text: &str) -> std::result::Result<Range<u64>, String> {
    let parts = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match parts {
        Some((first, last)) if first < last => Ok(first..last),
        _ => Err("is no range such as 100..200".to_owned()),
    }
}

pub(crate) fn decompress(args: &DecompressArgs, common: &Common) -> Result<ExitCode> {
    if args.archive == Path::new("-") {
        let mut bytes = Vec::new();
        let name = Path::new("standard input");
        std::io::stdin().lock().read_to_end(&mut bytes).map_err(|e| Error::io(name, e))?;
        return run(args, Archive::open(name, Cursor::new(bytes))?, common);
    }
    let file = File::open(&args.archive).map_err(|e| Error::io(&args.archive, e))?;
    run(args, Archive::open(&args.archive, file)?, common)
}

fn run<R: Read + Seek>(
    args: &DecompressArgs,
    mut archive: Archive<R>,
    common: &Common,
) -> Result<ExitCode> {
    if let Some(damage) = &archive.damage {
        common.remark(Some(&format!("{damage}; its blocks are looked for by their marks")));
    }
    if args.list {
        return list(&archive, common);
    }
    let without = args
        .archive
        .extension()
        .is_some_and(|e| e == EXTENSION)
        .then(|| args.archive.with_extension(""));
    if !args.test && args.target.is_unsaid() && without.is_none() {
        let message = "is needed: the archive's name does not end in .elbo";
        return Err(Error::setting("--output", message));
    }
    let target = if args.test { None } else { args.target.path(without)? };
    let model = model_of(args, &archive, common)?;
    let all = 0..archive.description.rows;
    let rows = args.rows.clone().unwrap_or(all.clone());
    if rows.end > all.end {
        let message = format!("there are {} rows", all.end);
        return Err(Error::setting("--rows", message));
    }
    let mut out = if args.rows.is_some() { Vec::new() } else { archive.prologue()? };
    let progress = bar(common, rows.end - rows.start, "rows");
    let mut keep = |bytes: &[u8]| {
        if !args.test {
            out.extend_from_slice(bytes);
        }
        Ok(())
    };
    let broken = archive.read(&model, rows.clone(), &mut keep, &mut |row| {
        progress.set_position(row.saturating_sub(rows.start));
    })?;
    progress.finish_and_clear();
    for (number, message) in &broken {
        let first = u64::from(*number) * u64::from(archive.description.block);
        let last = (first + u64::from(archive.description.block)).min(all.end);
        common.remark(Some(&format!("block {number} (rows {first}..{last}) is lost: {message}")));
    }
    match (&target, args.test) {
        (_, true) => {}
        (Some(path), _) => write_whole(path, &out)?,
        (None, _) => print(&out)?,
    }
    let done = rows.end - rows.start;
    let json = json!({
        "output": target.as_ref().map(|path| path.display().to_string()),
        "rows": done,
        "bytes": out.len(),
        "lost_blocks": broken.iter().map(|(number, _)| number).collect::<Vec<_>>(),
    });
    let text = match (&target, args.test) {
        (_, true) if broken.is_empty() => format!("{}: whole, {done} rows", args.archive.display()),
        (_, true) => format!("{}: {} blocks are damaged", args.archive.display(), broken.len()),
        (Some(path), _) => format!("{}: {done} rows, {} bytes", path.display(), out.len()),
        (None, _) => format!("{done} rows, {} bytes", out.len()),
    };
    match target.is_some() || args.test {
        true => common.result(&json, &text)?,
        false => common.note(text),
    }
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The model inside, or the one that was named.
fn model_of<R: Read + Seek>(
    args: &DecompressArgs,
    archive: &Archive<R>,
    common: &Common,
) -> Result<Model<f32>> {
    match (archive.model()?, &args.model) {
        (Some(model), _) => Ok(model),
        (None, Some(path)) => open_model(path, common),
        (None, None) => {
            let wanted = &archive.description.model;
            let message = format!(
                "is needed: the archive was written with the model {}…",
                wanted.get(..12).unwrap_or(wanted)
            );
            Err(Error::setting("--model", message))
        }
    }
}

fn list<R: Read + Seek>(archive: &Archive<R>, common: &Common) -> Result<ExitCode> {
    let d = &archive.description;
    let payload = archive.size - archive.inside.len() as u64;
    let per_row = 8.0 * payload as f64 / d.rows.max(1) as f64;
    let books = d.frame.books();
    let what = match &d.frame {
        FrameDescription::Array { element, .. } => format!("{element:?}"),
        FrameDescription::Table { writing, .. } => {
            let spelling = if writing.spelling { "as it is spelled" } else { "by its values" };
            format!("a table of {} columns, {spelling}", writing.order.len())
        }
    };
    let inside = if archive.inside.is_empty() {
        "is not inside".to_owned()
    } else {
        format!("inside, {} bytes", archive.inside.len())
    };
    let json = json!({
        "rows": d.rows,
        "columns": books.len(),
        "blocks": archive.blocks(),
        "archive_bytes": archive.size,
        "model_bytes": archive.inside.len(),
        "bits_per_row": per_row,
        "bits_per_dim": per_row / books.len() as f64,
        "model": d.model,
        "format": FORMAT,
        "arithmetic": PROFILE,
        "any_order": d.any_order,
        "bins": d.bins,
    });
    let rows = [
        ("rows", format!("{} of {} values ({what})", d.rows, books.len())),
        (
            "blocks",
            format!(
                "{} of {} rows{}",
                archive.blocks(),
                d.block,
                if d.any_order { ", in any order" } else { "" }
            ),
        ),
        (
            "size",
            format!(
                "{} bytes: {per_row:.2} bits a row, {:.4} a value, without the model",
                archive.size,
                per_row / books.len() as f64
            ),
        ),
        ("model", format!("{}…, {inside}", d.model.get(..12).unwrap_or(&d.model))),
        ("format", format!("{FORMAT}, arithmetic {PROFILE}, latents in bins of {} bits", d.bins)),
    ];
    common.result(&json, &two_columns(&rows))?;
    Ok(ExitCode::SUCCESS)
}

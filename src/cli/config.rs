//! `--config` for the commands that are not `train`: a file's keys as flags before the user's own.
//!
//! (`train` has more to do with its settings: it stores, compares and repeats them; see `run`.)

use clap::{ArgAction, Command};
use elbo::error::{Error, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The command line `args` with the settings of its `--config` file in front of its own flags, which
/// override them. Unchanged without `--config`, and for `train`.
///
/// # Errors
/// If the file cannot be read, or has a key that is no flag of the command.
pub(crate) fn with_config(command: &Command, args: Vec<OsString>) -> Result<Vec<OsString>> {
    let chosen = args.iter().enumerate().skip(1).find_map(|(i, arg)| {
        let sub = arg.to_str().and_then(|name| command.find_subcommand(name))?;
        Some((i, sub))
    });
    let (Some((at, sub)), Some(path)) = (chosen, config_path(&args)) else { return Ok(args) };
    if sub.get_name() == "train" {
        return Ok(args);
    }
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    let table: toml::Table = text
        .parse()
        .map_err(|e: toml::de::Error| Error::file(&path, e.message().replace('\n', " ")))?;
    let mut flags = Vec::new();
    for (key, value) in &table {
        flags.extend(flag(sub, &path, key, value)?);
    }
    let (before, after) = args.split_at(at + 1);
    Ok([before, &flags, after].concat())
}

/// The last `--config` among the arguments.
fn config_path(args: &[OsString]) -> Option<PathBuf> {
    let text = |arg: &OsString| arg.to_str().map(str::to_owned);
    args.iter().enumerate().rev().find_map(|(i, arg)| match text(arg)?.as_str() {
        "--config" => args.get(i + 1).map(PathBuf::from),
        other => other.strip_prefix("--config=").map(PathBuf::from),
    })
}

/// `--key value`, or `--key` for a switch that is on.
fn flag(sub: &Command, path: &Path, key: &str, value: &toml::Value) -> Result<Vec<OsString>> {
    let Some(arg) = sub.get_arguments().find(|a| a.get_long() == Some(key) && key != "config")
    else {
        let known: Vec<_> = sub.get_arguments().filter_map(|a| a.get_long()).collect();
        let name = sub.get_name();
        let message = format!("`{key}` is no flag of elbo {name}; known are {}", known.join(", "));
        return Err(Error::file(path, message));
    };
    let switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let bad = |what: &str| Err(Error::file(path, format!("`{key}` {what}")));
    let plain = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(n) => Some(n.to_string()),
        toml::Value::Float(x) => Some(x.to_string()),
        _ => None,
    };
    let text = match value {
        toml::Value::Boolean(on) if switch => {
            return Ok(if *on { vec![format!("--{key}").into()] } else { Vec::new() });
        }
        _ if switch => return bad("is a switch: write true or false"),
        toml::Value::Array(items) => {
            let items: Option<Vec<_>> = items.iter().map(plain).collect();
            items.map(|items| items.join(","))
        }
        other => plain(other),
    };
    match text {
        Some(text) => Ok(vec![format!("--{key}={text}").into()]),
        None => bad("is neither text, a number nor a list of these"),
    }
}

//! The command line. It reads arguments and files and shows results; the mathematics is the
//! library's.

mod check;
mod chosen;
mod columns;
mod compare;
#[cfg(feature = "codec")]
mod compress;
mod config;
#[cfg(feature = "codec")]
mod decompress;
mod defaults;
mod diagnosis;
mod encode;
mod evaluate;
mod fitted;
mod folder;
mod generate;
mod given;
mod impute;
mod info;
mod join;
mod metrics;
mod naming;
mod opening;
mod output;
mod progress;
mod reading;
mod remarks;
mod run;
mod sample;
mod score;
mod screening;
mod shell;
#[cfg(feature = "codec")]
mod target;
mod terminal;
mod train;
mod wanted;
mod watcher;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use elbo::error::{Error, Result};
use std::process::ExitCode;

/// Variational autoencoders from scratch: train, judge, generate.
#[derive(Parser)]
#[command(
    version,
    propagate_version = true,
    arg_required_else_help = true,
    after_help = "Examples:
  elbo train                                     train on the embedded digits, into runs/digits/
  elbo train --data mnist/ --binarize dynamic    train on MNIST's IDX files, as coins
  elbo evaluate runs/digits                      judge: the bound on the test rows
  elbo evaluate runs/mnist --data mnist/ --samples 1000    and log p(x) by importance sampling
  elbo score runs/people --data new.csv          which rows are odd, and which columns make them so
  elbo sample runs/digits -n 100 -o digits.png   look at what the model invents
  elbo encode runs/digits -o latents.csv         reduce every row to a few numbers
  elbo train --data wine.csv --label class       learn a table, with settings that fit it
  elbo compress test.npy --model runs/mnist      compress without loss, by what a model has learned
  elbo columns people.csv                        what a table of numbers, classes, dates and gaps is understood as
  elbo check                                     prove every gradient by finite differences"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

/// What every command understands.
#[derive(Args, Clone)]
struct Common {
    /// Print one JSON object on standard output (on standard error if rows go to standard output)
    #[arg(long, global = true)]
    json: bool,
    /// Print results only
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Use so many threads (the results do not depend on it) [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    /// Take settings from this file: a run's config.toml, or for other commands one whose keys are the names of their flags; flags override it
    #[arg(long, global = true, value_name = "FILE.toml")]
    config: Option<std::path::PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<train::TrainArgs>),
    Evaluate(evaluate::EvaluateArgs),
    Score(score::ScoreArgs),
    Sample(sample::SampleArgs),
    Reconstruct(generate::ReconstructArgs),
    Encode(encode::EncodeArgs),
    Decode(generate::DecodeArgs),
    Impute(impute::ImputeArgs),
    Interpolate(generate::InterpolateArgs),
    Columns(columns::ColumnsArgs),
    Compare(compare::CompareArgs),
    #[cfg(feature = "codec")]
    Compress(compress::CompressArgs),
    #[cfg(feature = "codec")]
    Decompress(decompress::DecompressArgs),
    Info(info::InfoArgs),
    Check(check::CheckArgs),
    Completions(shell::CompletionsArgs),
    Man(shell::ManArgs),
}

/// The command line, with what the library alone knows in its help.
fn command() -> clap::Command {
    Cli::command().mut_subcommands(|c| match c.get_name() {
        "train" => defaults::described(c).after_help(train::after_help()),
        // A flag may follow the same setting of a --config file, and then wins.
        _ => c.args_override_self(true).allow_negative_numbers(true),
    })
}

fn main() -> ExitCode {
    let args = match config::with_config(&command(), std::env::args_os().collect()) {
        Ok(args) => args,
        Err(error) => {
            terminal::error(&error);
            return ExitCode::FAILURE;
        }
    };
    let matches = command().get_matches_from(args);
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(e) => e.exit(),
    };
    match execute(cli, &matches) {
        Ok(code) => code,
        Err(error) => {
            let error = named_as_flag(error, &matches);
            terminal::error(&error);
            match error {
                // A wrong setting is wrong usage; the rest is failure.
                Error::Setting { .. } => ExitCode::from(2),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

/// The library calls a setting `lr`; on this command line it is the flag `--lr`.
fn named_as_flag(error: Error, matches: &clap::ArgMatches) -> Error {
    let (name, message) = match error {
        Error::Setting { name, message } => (name, message),
        Error::Needs { name, other, message } => {
            (name.to_owned(), format!("{message}; add --{other}"))
        }
        other => return other,
    };
    let command = Cli::command();
    let chosen = matches.subcommand_name().and_then(|c| command.find_subcommand(c));
    let mut args = chosen.into_iter().chain([&command]).flat_map(clap::Command::get_arguments);
    let known = args.any(|a| a.get_long() == Some(&name));
    Error::Setting { name: if known { format!("--{name}") } else { name }, message }
}

fn execute(cli: Cli, matches: &clap::ArgMatches) -> Result<ExitCode> {
    if let Some(threads) = cli.common.threads {
        elbo::parallel::set_threads(threads)?;
    }
    match cli.command {
        Command::Train(args) => {
            let matches = matches.subcommand_matches("train").expect("clap chose this command");
            train::train(*args, matches, &cli.common)
        }
        Command::Evaluate(args) => evaluate::evaluate(&args, &cli.common),
        Command::Score(args) => score::score(&args, &cli.common),
        Command::Sample(args) => sample::sample(&args, &cli.common),
        Command::Reconstruct(args) => generate::reconstruct(&args, &cli.common),
        Command::Encode(args) => encode::encode(&args, &cli.common),
        Command::Impute(args) => impute::impute(&args, &cli.common),
        Command::Decode(args) => generate::decode(&args, &cli.common),
        Command::Interpolate(args) => generate::interpolate(&args, &cli.common),
        Command::Compare(args) => compare::compare(&args, &cli.common),
        #[cfg(feature = "codec")]
        Command::Compress(args) => compress::compress(&args, &cli.common),
        #[cfg(feature = "codec")]
        Command::Decompress(args) => decompress::decompress(&args, &cli.common),
        Command::Columns(args) => columns::columns(&args, &cli.common),
        Command::Info(args) => info::info(&args, &cli.common),
        Command::Check(args) => check::check(&args, &cli.common),
        Command::Completions(args) => shell::completions(&args, command()),
        Command::Man(args) => shell::man(&args, command()),
    }
}

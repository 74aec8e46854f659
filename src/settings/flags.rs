//! Settings as flags.

use super::{Plain, Settings};
use clap::error::{Error, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// The command with a flag for every setting.
pub fn add<C: Settings>(mut command: Command) -> Command {
    C::default().each(&mut |setting, value| {
        let default = value.get();
        let arg = Arg::new(setting.name)
            .long(setting.name)
            .help(setting.help())
            .help_heading(setting.heading);
        let arg = match default {
            Some(Plain::Switch(_)) => arg.action(ArgAction::SetTrue),
            default => {
                let arg = arg.value_name(setting.value).value_parser(value.reader());
                arg.default_values(default.map(|default| default.to_string()))
            }
        };
        // The command is moved out and in again, because it is built by value.
        command = std::mem::take(&mut command).arg(arg);
    });
    command
}

/// The settings as the flags have them.
///
/// # Errors
/// If a text is no value of its setting's type.
pub fn read<C: Settings>(matches: &ArgMatches) -> clap::error::Result<C> {
    let mut config = C::default();
    let outcome = config.set_each(&mut |setting, value| match value.get() {
        Some(Plain::Switch(on)) => {
            matches.get_flag(setting.name).then_some(Some(Plain::Switch(!on)))
        }
        _ => matches.get_one::<Plain>(setting.name).map(|plain| Some(plain.clone())),
    });
    outcome.map(|()| config).map_err(|error| {
        // A spec's own setting (`step:every`) is no flag.
        let settings = C::default().list();
        let is_flag = |name: &str| settings.iter().any(|(setting, _)| setting.name == name);
        let dashes = match &error {
            crate::error::Error::Setting { name, .. } if is_flag(name) => "--",
            _ => "",
        };
        Error::raw(ErrorKind::ValueValidation, format!("{dashes}{error}\n"))
    })
}

/// Makes a struct of settings a part of a command line that is derived.
macro_rules! arguments {
    ($Config:ident) => {
        impl clap::Args for $Config {
            fn augment_args(command: clap::Command) -> clap::Command {
                $crate::settings::flags::add::<Self>(command)
            }

            fn augment_args_for_update(command: clap::Command) -> clap::Command {
                Self::augment_args(command)
            }
        }

        impl clap::FromArgMatches for $Config {
            fn from_arg_matches(matches: &clap::ArgMatches) -> clap::error::Result<Self> {
                $crate::settings::flags::read(matches)
            }

            fn update_from_arg_matches(
                &mut self,
                matches: &clap::ArgMatches,
            ) -> clap::error::Result<()> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }
    };
}
pub(crate) use arguments;

//! The folder of a run that was given none: `runs/NAME`, which belongs to one source of data.
//!
//! NAME is the data's file name without its endings. The first data of a name gets `runs/NAME`, other
//! data of the same name `runs/NAME-2`, and so on; whose a folder is stands in its `config.toml`. So the
//! same data comes back to its own folder, and `--resume` finds it without `--out`.

use crate::folder::Folder;
use crate::run::Run;
use elbo::data::Source;
use std::path::{Path, PathBuf};

/// The folder for runs on `data`: their own, else the first that belongs to nobody.
pub(crate) fn default_folder(data: &str) -> Folder {
    let mut free = None;
    for folder in numbered(&name_of(data)) {
        match owner(&folder) {
            Some(owner) if is_same(&owner, data) => return folder,
            Some(_) => {}
            None => _ = free.get_or_insert(folder),
        }
    }
    free.expect("the last one is not there")
}

/// Why runs on `data` are not in `runs/NAME`, if `folder` is another.
pub(crate) fn why_numbered(data: &str, folder: &Folder) -> Option<String> {
    let first = Folder(Path::new("runs").join(name_of(data)));
    let owner = owner(&first).filter(|_| first != *folder)?;
    Some(format!("{} belongs to {owner}", first.0.display()))
}

/// `runs/NAME`, those of `runs/NAME-2`, … that are there, and one more.
fn numbered(name: &str) -> Vec<Folder> {
    let parent = Path::new("runs");
    let number = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?.file_name().into_string().ok()?;
        entry.strip_prefix(name)?.strip_prefix('-')?.parse::<u32>().ok().filter(|n| *n >= 2)
    };
    let entries = std::fs::read_dir(parent).into_iter().flatten();
    let mut numbers: Vec<_> = entries.filter_map(number).collect();
    numbers.sort_unstable();
    let free = (2..).zip(&numbers).find(|(n, there)| n != *there).map(|(n, _)| n);
    numbers.push(free.unwrap_or(numbers.len() as u32 + 2));
    let suffixed = numbers.into_iter().map(|n| format!("{name}-{n}"));
    std::iter::once(name.to_owned()).chain(suffixed).map(|n| Folder(parent.join(n))).collect()
}

fn name_of(data: &str) -> String {
    if data == "-" {
        return "stdin".to_owned();
    }
    let name = match data.split_once(':') {
        Some((embedded, _)) if Source::is_embedded(data) => embedded.to_owned(),
        _ => Path::new(data).file_name().unwrap_or_default().to_string_lossy().into_owned(),
    };
    name.split('.').next().filter(|s| !s.is_empty()).unwrap_or("run").to_owned()
}

/// The data of the runs in a folder.
fn owner(folder: &Folder) -> Option<String> {
    Run::of(&folder.finished("config.toml")).map(|run| run.task.data)
}

/// Whether two names of data mean the same source. Embedded data are one source, of whatever settings.
fn is_same(one: &str, other: &str) -> bool {
    let embedded = (Source::is_embedded(one), Source::is_embedded(other));
    let head = |name: &str| name.split(':').next().map(str::to_owned);
    match embedded {
        (true, true) => head(one) == head(other),
        (false, false) => one == other || real(one) == real(other),
        _ => false,
    }
}

/// Where a path leads, links followed as far as that goes.
fn real(data: &str) -> PathBuf {
    std::fs::canonicalize(data).unwrap_or_else(|_| PathBuf::from(located(data)))
}

/// Data as it is found from any folder: a path from the root on; other names as they are.
pub(crate) fn located(data: &str) -> String {
    if data == "-" || Source::is_embedded(data) {
        return data.to_owned();
    }
    let absolute = std::path::absolute(data).ok();
    absolute.and_then(|path| path.into_os_string().into_string().ok()).unwrap_or(data.to_owned())
}

/// Whether data is where its name says; the name may go on behind a colon.
pub(crate) fn is_there(data: &str) -> bool {
    let file = data.rsplit_once(':').map_or(data, |(file, _)| file);
    Source::is_embedded(data) || [data, file].iter().any(|name| Path::new(name).exists())
}

//! The pictures of a folder: which files they are, in which part, and under which label.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use super::decode;
use crate::error::{Error, Result};

/// The folders at the top whose pictures are the training part.
const TRAIN: [&str; 2] = ["train", "training"];

/// The folders at the top whose pictures can be the test part beside a training part; of several, the
/// first in this order is.
const HELD_OUT: [&str; 5] = ["test", "testing", "val", "valid", "validation"];

/// How far below the named folder it is looked for pictures that lie too deep.
const DEEPEST: usize = 4;

/// What the systems leave in folders, apart from hidden files.
const LITTER: [&str; 3] = ["thumbs.db", "ehthumbs.db", "desktop.ini"];

/// Endings of pictures that are not read and can be converted.
const CONVERTIBLE: [&str; 12] = [
    ".avif", ".cr2", ".dng", ".exr", ".hdr", ".heic", ".heif", ".ico", ".jxl", ".psd", ".svg",
    ".tga",
];

/// Kinds of files that are named in a note; the others are counted together.
const MOST_KINDS: usize = 6;

/// A picture's file.
pub(super) struct File {
    /// The name of the class folder, if it lies in one.
    pub(super) label: Option<String>,
    /// The path below the named folder, with `/` between names.
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// The pictures of a folder, each part in the order of its rows.
pub(super) struct Listing {
    /// Never empty.
    pub(super) train: Vec<File>,
    /// Empty if the folder has no such part.
    pub(super) test: Vec<File>,
    /// What was decided and left out, a line each.
    pub(super) notes: Vec<String>,
}

/// Lists the pictures of a folder.
///
/// # Errors
/// If a folder cannot be listed, there are no pictures, or they lie where it is not plain what their
/// labels are.
pub(super) fn list(folder: &Path) -> Result<Listing> {
    let mut walk = Walk { root: folder, unread: BTreeMap::new(), notes: Vec::new() };
    let top = Entries::of(folder)?;
    let (train, test) = match split(folder, &top) {
        Some((train, test)) => walk.parts(&top, train, test)?,
        None => (walk.part(folder, &top)?, Vec::new()),
    };
    if train.is_empty() {
        return Err(Error::file(folder, walk.nothing(&top)));
    }
    walk.notes.extend(walk.passed_over());
    Ok(Listing { train, test, notes: walk.notes })
}

/// The folders of the training and of the test part, if there are both.
fn split<'a>(folder: &Path, top: &'a Entries) -> Option<(&'a OsStr, &'a OsStr)> {
    let holds_pictures = |name: &&OsString| first_picture(&folder.join(name), DEEPEST).is_some();
    let part = |names: &[&str]| {
        let named = |wanted| top.folders.iter().filter(move |f| f.eq_ignore_ascii_case(wanted));
        names.iter().flat_map(named).find(holds_pictures).map(OsString::as_os_str)
    };
    if top.pictures.is_empty() { part(&TRAIN).zip(part(&HELD_OUT)) } else { None }
}

/// What a folder holds, each in the order of the names' bytes. Hidden files, and what the systems
/// leave, do not count.
#[derive(Default)]
struct Entries {
    pictures: Vec<OsString>,
    folders: Vec<OsString>,
    others: Vec<OsString>,
}

impl Entries {
    fn of(folder: &Path) -> Result<Self> {
        let mut found = Entries::default();
        for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
            let name = entry.map_err(|e| Error::io(folder, e))?.file_name();
            let path = folder.join(&name);
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            match (decode::is_named_picture(&path), path.is_dir()) {
                (true, false) => found.pictures.push(name),
                (false, true) => found.folders.push(name),
                (false, false) if LITTER.iter().any(|l| name.eq_ignore_ascii_case(l)) => {}
                (false, false) => found.others.push(name),
                (true, true) => {
                    let wrong = "this is a folder where its name promises a picture: rename it";
                    return Err(Error::file(path, wrong));
                }
            }
        }
        found.pictures.sort_unstable();
        found.folders.sort_unstable();
        Ok(found)
    }
}

/// A walk through the folders.
struct Walk<'a> {
    root: &'a Path,
    /// How many files are passed over, by the ending of their names.
    unread: BTreeMap<String, usize>,
    notes: Vec<String>,
}

impl Walk<'_> {
    /// The training and the test part of a folder with a folder for each.
    fn parts(
        &mut self,
        top: &Entries,
        train: &OsStr,
        test: &OsStr,
    ) -> Result<(Vec<File>, Vec<File>)> {
        self.pass_over(top);
        let (train_folder, test_folder) = (self.root.join(train), self.root.join(test));
        let train_files = self.part(&train_folder, &Entries::of(&train_folder)?)?;
        let test_files = self.part(&test_folder, &Entries::of(&test_folder)?)?;
        let show = |name: &OsStr| name.to_string_lossy().into_owned();
        self.notes.push(format!(
            "the folder {} is the training part ({} pictures), {} the test part ({})",
            show(train),
            train_files.len(),
            show(test),
            test_files.len()
        ));
        let is_left_out = |name: &&OsString| {
            name.as_os_str() != train
                && name.as_os_str() != test
                && first_picture(&self.root.join(name), DEEPEST).is_some()
        };
        let left_out: Vec<_> = top.folders.iter().filter(is_left_out).map(|n| show(n)).collect();
        if !left_out.is_empty() {
            self.notes.push(format!(
                "the pictures in {} are in neither part and are not read; --validation 0.1 sets \
                 aside a tenth of the training part",
                left_out.join(", ")
            ));
        }
        Ok((train_files, test_files))
    }

    /// The pictures of a folder, or of the class folders in it.
    fn part(&mut self, folder: &Path, entries: &Entries) -> Result<Vec<File>> {
        self.pass_over(entries);
        let mut files = Vec::new();
        for name in &entries.folders {
            let inner = folder.join(name);
            let found = Entries::of(&inner)?;
            self.pass_over(&found);
            let deeper = found.folders.iter().find_map(|f| first_picture(&inner.join(f), DEEPEST));
            if let Some(deeper) = deeper {
                return Err(too_deep(folder, &inner, &deeper, found.pictures.is_empty()));
            }
            if found.pictures.is_empty() {
                continue;
            }
            let Some(label) = name.to_str() else {
                let wrong = "the name of this folder is a label, but not UTF-8: rename it";
                return Err(Error::file(inner, wrong));
            };
            files.extend(found.pictures.iter().map(|p| self.file(Some(label), inner.join(p))));
        }
        match (entries.pictures.first(), files.first()) {
            (Some(a), Some(b)) => {
                let inside = b.path.strip_prefix(folder).unwrap_or(&b.path).display();
                let message = format!(
                    "there are pictures both in this folder ({}) and in folders within it \
                     ({inside}): put all into folders, whose names then are the labels, or none",
                    Path::new(a).display(),
                );
                Err(Error::file(folder, message))
            }
            (Some(_), None) => {
                Ok(entries.pictures.iter().map(|p| self.file(None, folder.join(p))).collect())
            }
            (None, _) => Ok(files),
        }
    }

    fn file(&self, label: Option<&str>, path: PathBuf) -> File {
        let below = path.strip_prefix(self.root).unwrap_or(&path);
        let names: Vec<_> = below.iter().map(OsStr::to_string_lossy).collect();
        File { label: label.map(str::to_owned), name: names.join("/"), path }
    }

    fn pass_over(&mut self, entries: &Entries) {
        for name in &entries.others {
            let ending = Path::new(name).extension().map_or_else(
                || "without an ending".to_owned(),
                |e| format!(".{}", e.to_string_lossy().to_lowercase().replace('\n', " ")),
            );
            *self.unread.entry(ending).or_default() += 1;
        }
    }

    /// The files that are passed over, the most frequent kinds first: `7 .txt, 5 .mp4`.
    fn kinds(&self) -> String {
        let mut kinds: Vec<_> = self.unread.iter().collect();
        kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let rest: usize = kinds.iter().skip(MOST_KINDS).map(|(_, count)| *count).sum();
        kinds.truncate(MOST_KINDS);
        let mut shown: Vec<_> =
            kinds.iter().map(|(ending, count)| format!("{count} {ending}")).collect();
        if rest > 0 {
            shown.push(format!("{rest} of other kinds"));
        }
        shown.join(", ")
    }

    /// What to do with pictures among the files that are passed over.
    fn conversion(&self) -> Option<String> {
        let known = CONVERTIBLE.iter().filter(|ending| self.unread.contains_key(**ending));
        let known = known.copied().collect::<Vec<_>>().join(", ");
        (!known.is_empty()).then(|| format!("convert {known} to PNG or JPEG to have them read"))
    }

    fn passed_over(&self) -> Option<String> {
        let count: usize = self.unread.values().sum();
        let conversion = self.conversion().map(|c| format!("; {c}")).unwrap_or_default();
        let (files, are) = if count == 1 { ("file", "is") } else { ("files", "are") };
        (count > 0).then(|| format!("{count} {files} {are} not read: {}{conversion}", self.kinds()))
    }

    /// What is wrong with a folder without pictures.
    fn nothing(&self, top: &Entries) -> String {
        let remedy = self.conversion().unwrap_or_else(|| {
            let formats = decode::formats();
            format!("name one of its files, or a folder of pictures ({formats})")
        });
        let holds = match (self.unread.is_empty(), top.folders.is_empty()) {
            (true, true) => "it is empty".to_owned(),
            (true, false) => "the folders in it have no pictures".to_owned(),
            (false, _) => format!("it has {}", self.kinds()),
        };
        format!("this folder holds nothing that is read here ({holds}): {remedy}")
    }
}

/// The first picture at most so many folders deep. What cannot be listed has none.
fn first_picture(folder: &Path, depth: usize) -> Option<PathBuf> {
    let found = Entries::of(folder).ok()?;
    match found.pictures.first() {
        Some(picture) => Some(folder.join(picture)),
        None if depth > 1 => {
            found.folders.iter().find_map(|inner| first_picture(&folder.join(inner), depth - 1))
        }
        None => None,
    }
}

/// The error of pictures in folders within a class folder.
fn too_deep(folder: &Path, class: &Path, picture: &Path, alone: bool) -> Error {
    let (place, class) =
        (picture.strip_prefix(folder).unwrap_or(picture).display(), class.display());
    let other = match alone {
        true => format!(", or name {class} as the data, whose folders then are the labels"),
        false => String::new(),
    };
    let message = format!(
        "pictures lie more than one folder deep ({place}), where a folder is a label: move them up \
         into {class}{other}"
    );
    Error::file(folder, message)
}

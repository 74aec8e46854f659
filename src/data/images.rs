//! A folder of PNG or JPEG pictures.
//!
//! The pictures lie in the folder itself, or in folders within it, whose names then are the labels.
//! They are ordered by the names of folder and file. Which of the two formats a file has is told by
//! its content.
//!
//! | picture | becomes |
//! |---|---|
//! | grey | one channel, or three equal ones among colour pictures |
//! | colour, also one of a palette or CMYK | three channels, even if all pixels are grey |
//! | transparency | is dropped; what it hid shows |
//! | 16 bits per channel | 8 |
//! | another size than wanted | scaled, each side by itself: the aspect ratio is not kept |
//! | turned by an Exif tag | as stored: the tag is not followed |
//!
//! Every file is read twice: first all headers, which decide the shape, and then the pixels, in
//! memory for exactly these.

mod decode;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

use self::decode::{Header, MOST_VALUES, header, pixels};
use super::input::product;
use super::reader::{Location, ReadOptions, Reader, Source};
use super::{Dataset, ImageShape, Labels, Values};
use crate::error::{Error, Result, check_memory};
use crate::parallel;

pub(super) fn reader() -> Reader {
    Reader {
        name: "images",
        summary: "a folder of PNG or JPEG pictures of one size, or with such a folder for each label; grey or RGB as 0 … 1",
        options: &["resize"],
        // One that cannot be listed is recognised, so that the reader says why.
        recognises: |location| match location {
            Location::Folder(folder) => !list(folder).is_ok_and(|pictures| pictures.is_empty()),
            _ => false,
        },
        read: |location, options| {
            let Location::Folder(folder) = location else { unreachable!("it was recognised") };
            read(&folder, options)
        },
    }
}

/// Reads all pictures of a folder.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses to read, [`Error::File`] if a file is damaged, no picture or
/// too large, or if the pictures differ in size; [`Error::Setting`] if they cannot be scaled as
/// asked, or do not fit into memory.
fn read(folder: &Path, options: &ReadOptions) -> Result<Source> {
    let files = list(folder)?;
    let wanted = wanted(options)?;
    let (shape, note) = survey(&files, wanted, options)?;
    let width = shape.height * shape.width * shape.channels;
    let count = files.len().saturating_mul(width);
    check_memory::<u8>(count, "data", "scale the pictures down (--resize), or use fewer")?;
    let mut values = vec![0; count];
    decode_all(&files, &mut values, shape)?;
    let mut train = Dataset::new(Values::U8(values), width)?.with_image(shape)?;
    if files.iter().all(|file| file.label.is_some()) {
        let labels = files.iter().filter_map(|file| file.label.as_deref());
        train = train.with_labels(Labels::new(labels))?;
    }
    Ok(Source { train, test: None, notes: note.into_iter().collect() })
}

/// A picture's file.
struct File {
    /// The name of the folder within the folder, if it lies in one.
    label: Option<String>,
    path: PathBuf,
}

/// The pictures of a folder, in the order of their rows.
///
/// # Errors
/// If the folder, or one in it, cannot be listed, or pictures lie in both.
fn list(folder: &Path) -> Result<Vec<File>> {
    let (direct, folders) = entries(folder)?;
    let mut files = Vec::new();
    for name in folders {
        let inner = folder.join(&name);
        let (pictures, _) = entries(&inner)?;
        if pictures.is_empty() {
            continue;
        }
        let Some(label) = name.to_str() else {
            let wrong = "the name of this folder is a label, but not UTF-8: rename it";
            return Err(Error::file(inner, wrong));
        };
        let file = |name| File { label: Some(label.to_owned()), path: inner.join(name) };
        files.extend(pictures.into_iter().map(file));
    }
    match (direct.first(), files.first()) {
        (Some(a), Some(b)) => {
            let inside = b.path.strip_prefix(folder).unwrap_or(&b.path).display();
            let message = format!(
                "there are pictures both in this folder ({}) and in folders within it ({inside}): \
                 put all into folders, whose names then are the labels, or none",
                Path::new(a).display(),
            );
            Err(Error::file(folder, message))
        }
        (Some(_), None) => {
            let file = |name| File { label: None, path: folder.join(name) };
            Ok(direct.into_iter().map(file).collect())
        }
        (None, _) => Ok(files),
    }
}

/// The names of the pictures and of the folders in a folder, each in the order of their bytes.
/// Hidden ones do not count.
fn entries(folder: &Path) -> Result<(Vec<OsString>, Vec<OsString>)> {
    let (mut pictures, mut folders) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let name = entry.map_err(|e| Error::io(folder, e))?.file_name();
        let path = folder.join(&name);
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        match (is_picture(&path), path.is_dir()) {
            (true, false) => pictures.push(name),
            (false, true) => folders.push(name),
            (false, false) => {}
            (true, true) => {
                let wrong = "this is a folder where its name promises a picture: rename it";
                return Err(Error::file(path, wrong));
            }
        }
    }
    pictures.sort_unstable();
    folders.sort_unstable();
    Ok((pictures, folders))
}

/// Whether a file is to be read, by its name. What it holds is found out later.
fn is_picture(path: &Path) -> bool {
    let is = |extension: &OsStr| {
        ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    };
    path.extension().is_some_and(is)
}

/// The shape of a model's images, if it is for images that can be made.
fn model_image(options: &ReadOptions) -> Option<ImageShape> {
    let image = options.expected.as_ref()?.image?;
    matches!(image.channels, 1 | 3).then_some(image)
}

/// The height and width to which pictures are scaled, if the user or a model says so.
///
/// # Errors
/// If there are no such pictures.
fn wanted(options: &ReadOptions) -> Result<Option<(usize, usize)>> {
    let model = model_image(options).map(|image| (image.height, image.width));
    match options.resize.or(model) {
        Some((height, width)) if !(1..=MOST_VALUES / 3).contains(&height.saturating_mul(width)) => {
            let size = product(&[height, width]);
            let most = MOST_VALUES / 3;
            let message =
                format!("{size} pixels are none or more than {most}: choose another size");
            Err(Error::setting("resize", message))
        }
        size => Ok(size),
    }
}

/// Looks at all headers. Returns the shape that the pictures shall have, and what a user should know.
fn survey(
    files: &[File],
    wanted: Option<(usize, usize)>,
    options: &ReadOptions,
) -> Result<(ImageShape, Option<String>)> {
    let mut headers = files.iter().map(|file| Ok((&file.path, header(&file.path)?)));
    // There is one, or the folder would not have been recognised; unless it was emptied since.
    let Some((first, mut all)) = headers.next().transpose()? else {
        return Err(Error::setting("data", "the pictures went away while they were looked for"));
    };
    let (mut grey, mut fits) = (!all.colour, wanted.is_none_or(|size| size == all.size()));
    for found in headers {
        let (path, header) = found?;
        if wanted.is_none() && header.size() != all.size() {
            return Err(differs(path, &header, first, &all));
        }
        grey |= !header.colour;
        fits &= wanted.is_none_or(|size| size == header.size());
        all.colour |= header.colour;
        all.alpha |= header.alpha;
        all.deep |= header.deep;
    }
    let (height, width) = wanted.unwrap_or(all.size());
    let channels = model_image(options).map_or(if all.colour { 3 } else { 1 }, |i| i.channels);
    let shape = ImageShape { height, width, channels };
    if height * width * channels > MOST_VALUES {
        let size = product(&[height, width]);
        let message = format!(
            "a picture of {size} pixels is too large for a row of data: name a smaller size with --resize"
        );
        return Err(Error::file(first, message));
    }
    Ok((shape, note(&all, grey, fits || options.resize.is_some(), shape)))
}

/// The error of a picture that has not the size of the first.
fn differs(path: &Path, header: &Header, first: &Path, expected: &Header) -> Error {
    let message = format!(
        "this picture has {} pixels (height × width) where {} has {}: scale all pictures to one \
         size with --resize HEIGHTxWIDTH",
        product(&[header.height, header.width]),
        first.display(),
        product(&[expected.height, expected.width]),
    );
    Error::file(path, message)
}

/// What a user should know about pictures that are read in this shape: whether some are `grey`, and
/// whether all `fit` without being scaled, or the user asked for that.
fn note(all: &Header, grey: bool, fit: bool, shape: ImageShape) -> Option<String> {
    let notes = [
        (!fit, "pictures are scaled to the size that the model needs"),
        (
            shape.channels == 3 && grey && all.colour,
            "grey pictures are read as colour, like the others",
        ),
        (
            shape.channels == 3 && !all.colour,
            "the grey pictures are read as colour, as the model needs",
        ),
        (shape.channels == 1 && all.colour, "colours are read as grey, as the model needs"),
        (all.alpha, "transparency is dropped"),
        (all.deep, "16 bits per channel are reduced to 8"),
    ];
    let notes = notes.iter().filter(|(applies, _)| *applies).map(|(_, note)| *note);
    Some(notes.collect::<Vec<_>>().join("; ")).filter(|notes| !notes.is_empty())
}

/// Decodes all pictures on all cores. If several are damaged, the error is that of the first.
fn decode_all(files: &[File], out: &mut [u8], shape: ImageShape) -> Result<()> {
    match files {
        [] => Ok(()),
        [file] => pixels(&file.path, out, shape),
        _ => {
            let half = files.len() / 2;
            let (left, right) = out.split_at_mut(half * (out.len() / files.len()));
            let (first, second) = parallel::join(
                || decode_all(&files[..half], left, shape),
                || decode_all(&files[half..], right, shape),
            );
            first.and(second)
        }
    }
}

#[cfg(test)]
mod tests;

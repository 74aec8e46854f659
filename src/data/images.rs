//! A folder of pictures.
//!
//! The pictures lie in the folder itself, or in folders within it, whose names then are the labels.
//! Folders called `train` and `test` (or `val`) at the top are the two parts instead, each with or
//! without folders for labels. Pictures are ordered by the names of folder and file. Which files are
//! pictures is told by their names, which format one has by its content.
//!
//! | picture | becomes |
//! |---|---|
//! | grey | one channel, or three equal ones among colour pictures |
//! | colour, also one of a palette or CMYK | three channels, even if all pixels are grey |
//! | a palette of greys in BMP and GIF, which have no other greys | grey |
//! | turned by an Exif tag | upright |
//! | transparency | is dropped; what it hid shows |
//! | 16 bits per channel | numbers in [0, 1], and so are then all others |
//! | several frames or pages | the first |
//! | another size than wanted | scaled, each side by itself: the aspect ratio is not kept |
//!
//! Every file is read twice: first all headers, which decide the shape, and then the pixels, in
//! memory for exactly these.

mod decode;
mod folder;
mod survey;

use std::path::Path;

use self::folder::File;
use self::survey::{Survey, survey};
use super::reader::{Location, ReadOptions, Reader, Source};
use super::{Dataset, ImageShape, Labels, Values};
use crate::error::{Result, check_memory};
use crate::parallel;

pub(super) fn reader() -> Reader {
    Reader {
        name: "images",
        summary: "a folder of PNG, JPEG, WebP, BMP, GIF, TIFF or PNM pictures of one size, or with such a folder for each label, or both within train and test; grey or RGB as 0 … 1",
        options: &["resize"],
        // All folders that no other reader wants, and single pictures, so that the error says what
        // is wrong with them.
        recognises: |location| match location {
            Location::Folder(_) => true,
            Location::File(input) => decode::format(input.start()).is_some(),
            Location::Embedded(_) | Location::Member(..) => false,
        },
        read: |location, options| match location {
            Location::Folder(folder) => read(&folder, options),
            Location::File(input) => {
                let name = decode::format(input.start()).map_or("picture", decode::name);
                Err(input.error(format!(
                    "this is a {name} picture: name the folder with the pictures as the data"
                )))
            }
            Location::Embedded(_) | Location::Member(..) => unreachable!("it was not recognised"),
        },
    }
}

/// Reads all pictures of a folder.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses to read, [`Error::File`] if there are no pictures, one lies
/// too deep, is damaged or too large, or if they differ in size; [`Error::Setting`] if they cannot be
/// scaled as asked, or do not fit into memory.
fn read(folder: &Path, options: &ReadOptions) -> Result<Source> {
    let list = folder::list(folder)?;
    let Survey { shape, deep, notes } = survey(list.train.iter().chain(&list.test), options)?;
    let train = dataset(&list.train, shape, deep)?;
    let test = match list.test.is_empty() {
        true => None,
        false => Some(dataset(&list.test, shape, deep)?),
    };
    let mut notes = [list.notes, notes].concat();
    // A model's data is read as the model needs it; advice would come too late.
    if options.expected.is_none() {
        notes.extend(survey::range(&train));
    }
    Ok(Source { train, test, notes })
}

/// The pixels of these files, of which there is one at least; as numbers if they are to be `deep`.
fn dataset(files: &[File], shape: ImageShape, deep: bool) -> Result<Dataset> {
    let width = shape.height * shape.width * shape.channels;
    let count = files.len().saturating_mul(width);
    let remedy = "scale the pictures down (--resize), or use fewer";
    let mut data = if deep {
        check_memory::<f32>(count, "data", remedy)?;
        let mut values = vec![0.0; count];
        decode_all(files, &mut values, &|path, out| decode::units(path, out, shape))?;
        Dataset::new(Values::F32(values), width)?.with_pixels()
    } else {
        check_memory::<u8>(count, "data", remedy)?;
        let mut values = vec![0; count];
        decode_all(files, &mut values, &|path, out| decode::bytes(path, out, shape))?;
        Dataset::new(Values::U8(values), width)?
    };
    data = data.with_image(shape)?;
    data = data.with_names(files.iter().map(|file| file.name.clone()).collect())?;
    if files.iter().all(|file| file.label.is_some()) {
        let labels = files.iter().filter_map(|file| file.label.as_deref());
        data = data.with_labels(Labels::new(labels))?;
    }
    Ok(data)
}

/// Decodes all pictures on all cores. If several are damaged, the error is that of the first.
fn decode_all<T: Send>(
    files: &[File],
    out: &mut [T],
    decode: &(impl Fn(&Path, &mut [T]) -> Result<()> + Sync),
) -> Result<()> {
    match files {
        [] => Ok(()),
        [file] => decode(&file.path, out),
        _ => {
            let half = files.len() / 2;
            let (left, right) = out.split_at_mut(half * (out.len() / files.len()));
            let (first, second) = parallel::join(
                || decode_all(&files[..half], left, decode),
                || decode_all(&files[half..], right, decode),
            );
            first.and(second)
        }
    }
}

#[cfg(test)]
mod tests;

//! A look at all headers: the shape of the rows, and what a user should know.

use std::path::Path;

use super::decode::{Header, MOST_VALUES, header};
use super::folder::File;
use crate::data::input::product;
use crate::data::reader::ReadOptions;
use crate::data::{Dataset, ImageShape, Values};
use crate::error::{Error, Result};

/// Pictures whose largest value is below this share of what their bits can say are remarked on.
const DIM: f64 = 0.25;

/// What the headers say together.
pub(super) struct Survey {
    /// The shape that all pictures shall have.
    pub(super) shape: ImageShape,
    /// Whether some have 16 bits per channel, which bytes would lose.
    pub(super) deep: bool,
    pub(super) notes: Vec<String>,
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

/// Looks at the headers of these files, of which there is one at least.
///
/// # Errors
/// If one cannot be read, or the pictures differ in size and shall not be scaled.
pub(super) fn survey<'a>(
    files: impl Iterator<Item = &'a File>,
    options: &ReadOptions,
) -> Result<Survey> {
    let wanted = wanted(options)?;
    let mut headers = files.map(|file| Ok((file, header(&file.path)?)));
    let Some((first, mut all)) = headers.next().transpose()? else {
        unreachable!("a folder without pictures is refused");
    };
    let (mut grey, mut fits) = (!all.colour, wanted.is_none_or(|size| size == all.size()));
    let mut several: Vec<&str> = Vec::new();
    several.extend(all.several.then_some(&*first.name));
    for found in headers {
        let (file, header) = found?;
        if wanted.is_none() && header.size() != all.size() {
            return Err(differs(&file.path, &header, &first.path, &all));
        }
        grey |= !header.colour;
        fits &= wanted.is_none_or(|size| size == header.size());
        all.colour |= header.colour;
        all.alpha |= header.alpha;
        all.deep |= header.deep;
        several.extend(header.several.then_some(&*file.name));
    }
    let (height, width) = wanted.unwrap_or(all.size());
    let channels = model_image(options).map_or(if all.colour { 3 } else { 1 }, |i| i.channels);
    let shape = ImageShape { height, width, channels };
    if height * width * channels > MOST_VALUES {
        let size = product(&[height, width]);
        let message = format!(
            "a picture of {size} pixels is too large for a row of data: name a smaller size with --resize"
        );
        return Err(Error::file(&first.path, message));
    }
    let mut notes = notes(&all, grey, fits || options.resize.is_some(), shape);
    notes.extend(match several[..] {
        [] => None,
        [one] => Some(format!("{one} has several frames or pages: the first is read")),
        [one, ..] => {
            let count = several.len();
            Some(format!(
                "{count} files ({one}, …) have several frames or pages: the first is read"
            ))
        }
    });
    Ok(Survey { shape, deep: all.deep, notes })
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
fn notes(all: &Header, grey: bool, fit: bool, shape: ImageShape) -> Vec<String> {
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
        (all.deep, "16 bits per channel are kept: all pixels are numbers from 0 to 1"),
    ];
    let notes = notes.iter().filter(|(applies, _)| *applies);
    notes.map(|(_, note)| (*note).to_owned()).collect()
}

/// The note on pictures that leave most of the range of their bits unused, as masks do, or what a
/// camera of 12 bits stores in 16.
pub(super) fn range(data: &Dataset) -> Option<String> {
    let (largest, top) = match data.values() {
        Values::U8(bytes) => (bytes.iter().copied().max().unwrap_or(0).into(), 255.0),
        Values::F32(units) => {
            let largest = units.iter().copied().fold(0.0, f32::max);
            ((f64::from(largest) * 65535.0).round(), 65535.0)
        }
        _ => return None,
    };
    (1.0 < largest && largest < DIM * top).then(|| {
        format!(
            "the largest value is {largest} of {top}, and so all pixels are nearly black: rescale \
             the files, or use --likelihood normal --standardize yes"
        )
    })
}

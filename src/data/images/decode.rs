//! One picture: its header, and its pixels.
//!
//! The crate `image` decodes and scales. It is made for files that one trusts to some degree, so
//! what a header asks for is checked here before.

use std::io::Cursor;
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{
    DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, Pixel,
};

use crate::data::ImageShape;
use crate::data::input::{self, Input, product};
use crate::error::{Error, Result};

/// Values of a picture as the model sees it, height · width · channels: one row of the data.
pub(super) const MOST_VALUES: usize = 1 << 24;

/// Values of a picture's file, which may be scaled down: 89 megapixels in colour.
const MOST_DECODED: u64 = 1 << 28;

/// Bytes of a picture's file: a picture of the most values takes less, even without compression.
const LONGEST: u64 = 1 << 28;

/// Pixels of a byte of PNG. Deflate makes at most 1032 bytes of one, of eight pixels each.
const PNG_PIXELS: u64 = 8 * 1032;

/// Pixels of a byte of JPEG. Each block of a component, 8 × 8 samples, takes a bit or more. Along a
/// row some component has a sample for each pixel, along a column some component has, and the others
/// at least one for four. If both are the same one, it has a block for each 64 pixels; if not, each
/// has one for 256, and they one for 128 together.
const JPEG_PIXELS: u64 = 8 * 128;

/// Bytes that a file's metadata, such as colour profiles, may take.
const METADATA: u64 = 1 << 26;

/// What a file says of its picture.
pub(super) struct Header {
    pub(super) height: usize,
    pub(super) width: usize,
    /// Whether it has three channels, and not one.
    pub(super) colour: bool,
    /// Whether it has transparency.
    pub(super) alpha: bool,
    /// Whether a channel has more than 8 bits.
    pub(super) deep: bool,
}

impl Header {
    /// Height and width.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }
}

/// Reads the header of a picture's file.
///
/// # Errors
/// If the file cannot be read, is no picture, or one that is damaged or too large.
pub(super) fn header(path: &Path) -> Result<Header> {
    let bytes = load(path)?;
    open(path, &bytes).map(|(header, _)| header)
}

/// `out ← the values of a picture`, scaled to this shape; `out: [height · width · channels]`.
///
/// # Errors
/// As [`header`], and if the pixels are damaged.
pub(super) fn pixels(path: &Path, out: &mut [u8], shape: ImageShape) -> Result<()> {
    let bytes = load(path)?;
    let (header, decoder) = open(path, &bytes)?;
    // Scaling goes by way of a picture of the new height and the old width.
    if header.width.saturating_mul(shape.height) > MOST_VALUES {
        let size = product(&[header.height, header.width]);
        let message = format!("a picture of {size} pixels is too wide to be scaled: crop it");
        return Err(Error::file(path, message));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(|e| undecodable(path, &e))?;
    match shape.channels {
        1 => out.copy_from_slice(&scaled(image.into_luma8(), shape)),
        _ => out.copy_from_slice(&scaled(image.into_rgb8(), shape)),
    }
    Ok(())
}

/// The values of a picture, scaled if it has another size. A triangle as wide as two of the larger
/// pixels averages where the picture shrinks, and interpolates where it grows.
fn scaled<P>(image: ImageBuffer<P, Vec<u8>>, shape: ImageShape) -> Vec<u8>
where
    P: Pixel<Subpixel = u8> + 'static,
{
    let (width, height) = (shape.width as u32, shape.height as u32);
    if image.dimensions() == (width, height) {
        return image.into_raw();
    }
    imageops::resize(&image, width, height, FilterType::Triangle).into_raw()
}

/// All bytes of a file.
fn load(path: &Path) -> Result<Vec<u8>> {
    let input = Input::open(path)?;
    if input.length() > LONGEST {
        let message = format!("no picture of that kind has {} bytes: remove it", input.length());
        return Err(input.error(message));
    }
    let mut bytes = vec![0; input.length() as usize];
    input.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Reads a header and checks what it asks for, so that the pixels may be decoded.
fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<(Header, impl ImageDecoder + use<'a>)> {
    let (format, most) = match bytes {
        [0x89, b'P', b'N', b'G', ..] => (ImageFormat::Png, PNG_PIXELS),
        [0xff, 0xd8, 0xff, ..] if !is_whole(bytes) => {
            return Err(Error::file(path, "the JPEG data end too early: fetch the file again"));
        }
        [0xff, 0xd8, 0xff, ..] => (ImageFormat::Jpeg, JPEG_PIXELS),
        _ => return Err(Error::file(path, other(bytes))),
    };
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_DECODED as u32);
    limits.max_image_height = Some(MOST_DECODED as u32);
    limits.max_alloc = Some(METADATA);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|e| undecodable(path, &e))?;
    let ((width, height), kind) = (decoder.dimensions(), decoder.color_type());
    let header = Header {
        height: height as usize,
        width: width as usize,
        colour: kind.has_color(),
        alpha: kind.has_alpha(),
        deep: kind.bytes_per_pixel() > kind.channel_count(),
    };
    check_size(path, &header, most.saturating_mul(bytes.len() as u64))?;
    Ok((header, decoder))
}

/// Checks that a picture is neither empty, nor too large, nor larger than its file can hold.
fn check_size(path: &Path, header: &Header, most_pixels: u64) -> Result<()> {
    let pixels = header.height as u64 * header.width as u64;
    let values = pixels * if header.colour { 3 } else { 1 };
    let wrong = if !(1..=MOST_DECODED).contains(&values) {
        format!("has none or more than {MOST_DECODED} values: scale it down, or remove it")
    } else if pixels > most_pixels {
        "is more than the file can hold: it is cut off or damaged, fetch it again".to_owned()
    } else {
        return Ok(());
    };
    let size = product(&[header.height, header.width]);
    Err(Error::file(path, format!("a picture of {size} pixels {wrong}")))
}

/// Whether the marker at the end of JPEG data is there. The decoder would not miss it: it takes what
/// is cut off as grey.
fn is_whole(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    // The segments before the first scan are skipped, because a small preview among them has an end
    // of its own. In a scan, `ff` is followed by a zero or by a marker.
    while let [mark, kind, high, low, ..] = *rest {
        let length = match (mark, kind) {
            (0xff, 0xda) => return rest.windows(2).any(|two| two == [0xff, 0xd9]),
            (0xff, 0x01..=0xfe) => 2 + usize::from(u16::from_be_bytes([high, low])),
            _ => 1,
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}

/// What is wrong with a file of another format, and what to do.
fn other(bytes: &[u8]) -> String {
    match image::guess_format(bytes) {
        Ok(format) => format!("this is a picture in the format {format:?}: convert it to PNG"),
        Err(_) => {
            let what = input::known(bytes).unwrap_or_else(|| {
                let first = &bytes[..bytes.len().min(4)];
                format!("it starts with the bytes {first:02x?}: remove it, or fetch it again")
            });
            format!("neither PNG nor JPEG: {what}")
        }
    }
}

/// The error of a file that cannot be decoded.
fn undecodable(path: &Path, error: &ImageError) -> Error {
    let reason = error.to_string();
    // It may be several lines.
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    Error::file(
        path,
        match error {
            ImageError::Limits(_) => format!("this picture is too large ({reason}): scale it down"),
            ImageError::Unsupported(_) => {
                format!(
                    "PNG or JPEG of a kind that is not read ({reason}): convert it to plain PNG"
                )
            }
            _ => format!("the file is damaged ({reason}): fetch or write it again"),
        },
    )
}

//! One picture: its header, and its pixels.
//!
//! The crate `image` decodes, turns and scales. It is made for files that one trusts to some degree,
//! so what a header asks for is checked here before.

use std::io::Cursor;
use std::path::Path;

use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder, webp::WebPDecoder};
use image::imageops::{self, FilterType};
use image::metadata::Orientation;
use image::{
    DynamicImage, ImageBuffer, ImageDecoder, ImageError, ImageFormat, ImageReader, ImageResult,
    Limits, Pixel, Primitive,
};

use crate::data::ImageShape;
use crate::data::input::{self, Input, product};
use crate::error::{Error, Result};

/// The formats that are read.
const FORMATS: [(ImageFormat, &str); 7] = [
    (ImageFormat::Png, "PNG"),
    (ImageFormat::Jpeg, "JPEG"),
    (ImageFormat::WebP, "WebP"),
    (ImageFormat::Bmp, "BMP"),
    (ImageFormat::Gif, "GIF"),
    (ImageFormat::Tiff, "TIFF"),
    (ImageFormat::Pnm, "PNM"),
];

/// Values of a picture as the model sees it, height · width · channels: one row of the data.
pub(super) const MOST_VALUES: usize = 1 << 24;

/// Values of a picture's file, which may be scaled down: 89 megapixels in colour.
const MOST_DECODED: u64 = 1 << 28;

/// Bytes of a picture's file: a picture of the most values takes less, even without compression.
const LONGEST: u64 = 1 << 28;

/// Bytes that a file's metadata, such as colour profiles, may take.
const METADATA: u64 = 1 << 26;

/// What a file says of its picture.
pub(super) struct Header {
    /// Rows of pixels, once it is upright.
    pub(super) height: usize,
    pub(super) width: usize,
    /// Whether it has three channels, and not one.
    pub(super) colour: bool,
    /// Whether it has transparency.
    pub(super) alpha: bool,
    /// Whether a channel has more than 8 bits.
    pub(super) deep: bool,
    /// Whether it is the first of several frames or pages.
    pub(super) several: bool,
}

impl Header {
    /// Height and width.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }
}

/// The format of a file that starts like this, if it is one that is read.
pub(super) fn format(start: &[u8]) -> Option<ImageFormat> {
    image::guess_format(start).ok().filter(|found| FORMATS.iter().any(|(read, _)| read == found))
}

/// What a format that is read is called.
pub(super) fn name(format: ImageFormat) -> &'static str {
    FORMATS.iter().find(|(read, _)| *read == format).map_or("picture", |(_, name)| name)
}

/// The names of all formats that are read.
pub(super) fn formats() -> String {
    FORMATS.map(|(_, name)| name).join(", ")
}

/// Whether a file is to be read, by its name. What it holds is found out later.
pub(super) fn is_named_picture(path: &Path) -> bool {
    let format = path.extension().and_then(ImageFormat::from_extension);
    format.is_some_and(|found| FORMATS.iter().any(|(read, _)| *read == found))
}

/// Reads the header of a picture's file.
///
/// # Errors
/// If the file cannot be read, is no picture, or one that is damaged or too large.
pub(super) fn header(path: &Path) -> Result<Header> {
    let bytes = load(path)?;
    open(path, &bytes).map(|opened| opened.header)
}

/// `out ← the values of a picture`, scaled to this shape; `out: [height · width · channels]`.
///
/// # Errors
/// As [`header`], and if the pixels are damaged.
pub(super) fn bytes(path: &Path, out: &mut [u8], shape: ImageShape) -> Result<()> {
    let image = upright(path, shape)?;
    out.copy_from_slice(&match shape.channels {
        1 => scaled(image.into_luma8(), shape),
        _ => scaled(image.into_rgb8(), shape),
    });
    Ok(())
}

/// The same as numbers from 0 to 1, which keep 16 bits; a picture of bytes has the values that its
/// bytes stand for.
///
/// # Errors
/// As [`bytes`].
pub(super) fn units(path: &Path, out: &mut [f32], shape: ImageShape) -> Result<()> {
    let image = upright(path, shape)?;
    let values = match shape.channels {
        1 => scaled(image.into_luma16(), shape),
        _ => scaled(image.into_rgb16(), shape),
    };
    out.iter_mut().zip(values).for_each(|(o, v)| *o = (f64::from(v) / 65535.0) as f32);
    Ok(())
}

/// A picture that can be scaled to this shape, as its Exif tag says that it was taken.
fn upright(path: &Path, shape: ImageShape) -> Result<DynamicImage> {
    let bytes = load(path)?;
    let Opened { header, orientation, decoder } = open(path, &bytes)?;
    // Scaling goes by way of a picture of the new height and the old width.
    if header.width.saturating_mul(shape.height) > MOST_VALUES {
        let size = product(&[header.height, header.width]);
        let message = format!("a picture of {size} pixels is too wide to be scaled: crop it");
        return Err(Error::file(path, message));
    }
    let mut image =
        DynamicImage::from_decoder(decoder).map_err(|e| undecodable(path, &bytes, &e))?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// The values of a picture, scaled if it has another size. A triangle as wide as two of the larger
/// pixels averages where the picture shrinks, and interpolates where it grows.
fn scaled<P>(image: ImageBuffer<P, Vec<P::Subpixel>>, shape: ImageShape) -> Vec<P::Subpixel>
where
    P: Pixel<Subpixel: Primitive> + 'static,
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

/// A picture whose header is read.
struct Opened<'a> {
    header: Header,
    orientation: Orientation,
    decoder: Box<dyn ImageDecoder + 'a>,
}

/// Reads a header and checks what it asks for, so that the pixels may be decoded.
fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<Opened<'a>> {
    let Some(format) = format(bytes) else {
        return Err(Error::file(path, other(bytes)));
    };
    if !is_whole(format, bytes) {
        let message = format!("the {} data end too early: fetch the file again", name(format));
        return Err(Error::file(path, message));
    }
    let broken = |e| undecodable(path, bytes, &e);
    let Started { mut decoder, several, alpha, grey } = start(format, bytes).map_err(broken)?;
    let ((width, height), kind) = (decoder.dimensions(), decoder.color_type());
    let depth = kind.bytes_per_pixel() / kind.channel_count();
    if depth > 2 {
        let message = "the pixels are floating-point numbers, which are not read from pictures: \
                       store them as one array with numpy.save";
        return Err(Error::file(path, message));
    }
    let mut header = Header {
        height: height as usize,
        width: width as usize,
        colour: kind.has_color(),
        alpha,
        deep: depth > 1,
        several,
    };
    check_size(path, &header, most_pixels(format, bytes.len() as u64))?;
    // A decoder may need the pixels twice, packed and unpacked.
    decoder.set_limits(limits(METADATA + 2 * decoder.total_bytes())).map_err(broken)?;
    let orientation = decoder.orientation().map_err(broken)?;
    if turns(orientation) {
        (header.height, header.width) = (header.width, header.height);
    }
    header.colour &= !grey;
    Ok(Opened { header, orientation, decoder })
}

/// A decoder that has read the header, and what it does not say in the words of all.
struct Started<'a> {
    decoder: Box<dyn ImageDecoder + 'a>,
    /// Whether more frames or pages follow the first.
    several: bool,
    alpha: bool,
    /// Whether all colours are greys, in a format that has no other way to say so.
    grey: bool,
}

impl<'a> Started<'a> {
    fn new(decoder: impl ImageDecoder + 'a, several: bool) -> Self {
        let alpha = decoder.color_type().has_alpha();
        Started { decoder: Box::new(decoder), several, alpha, grey: false }
    }
}

fn start(format: ImageFormat, bytes: &[u8]) -> ImageResult<Started<'_>> {
    let file = Cursor::new(bytes);
    Ok(match format {
        ImageFormat::Png => {
            let png = PngDecoder::with_limits(file, limits(METADATA))?;
            let several = png.is_apng()?;
            Started::new(png, several)
        }
        ImageFormat::WebP => {
            let webp = WebPDecoder::new(file)?;
            let several = webp.has_animation();
            Started::new(webp, several)
        }
        ImageFormat::Bmp => {
            let bmp = BmpDecoder::new(file)?;
            let grey = bmp.get_palette().is_some_and(|colours| colours.iter().all(is_grey));
            Started { grey, ..Started::new(bmp, false) }
        }
        ImageFormat::Gif => {
            let gif = GifDecoder::new(file)?;
            // It makes four channels of everything.
            let Frames { several, alpha, grey } = frames(bytes).unwrap_or_default();
            Started { several, alpha, grey, ..Started::new(gif, false) }
        }
        _ => {
            let mut reader = ImageReader::with_format(file, format);
            reader.limits(limits(METADATA));
            Started::new(reader.into_decoder()?, format == ImageFormat::Tiff && has_pages(bytes))
        }
    })
}

fn is_grey([r, g, b]: &[u8; 3]) -> bool {
    r == g && g == b
}

/// Limits for a decoder that may take so many bytes.
fn limits(bytes: u64) -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_DECODED as u32);
    limits.max_image_height = Some(MOST_DECODED as u32);
    limits.max_alloc = Some(bytes);
    limits
}

/// Whether height and width change places.
fn turns(orientation: Orientation) -> bool {
    use Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    matches!(orientation, Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH)
}

/// What a GIF says of its first frame.
#[derive(Default)]
struct Frames {
    /// Whether others follow.
    several: bool,
    /// Whether pixels are transparent, or left out.
    alpha: bool,
    /// Whether its colours are greys.
    grey: bool,
}

/// Looks at the frames of a GIF without decoding any. What is damaged shows when the first one is.
fn frames(bytes: &[u8]) -> std::result::Result<Frames, gif::DecodingError> {
    let mut options = gif::DecodeOptions::new();
    options.skip_frame_decoding(true);
    let mut gif = options.read_info(bytes)?;
    let (width, height) = (gif.width(), gif.height());
    let palette = gif.global_palette().unwrap_or_default().to_vec();
    let Some(first) = gif.next_frame_info()? else { return Ok(Frames::default()) };
    let palette = first.palette.as_ref().unwrap_or(&palette);
    let grey = palette.as_chunks().0.iter().all(is_grey);
    let alpha = first.transparent.is_some() || (first.width, first.height) != (width, height);
    Ok(Frames { several: matches!(gif.next_frame_info(), Ok(Some(_))), alpha, grey })
}

/// Whether the first page of a TIFF names a second. The decoder has read it, so that what is not there
/// need not be told.
fn has_pages(bytes: &[u8]) -> bool {
    let big_endian = bytes.starts_with(b"MM");
    let number = |at: usize, size: usize| -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(size)?)?;
        let digit = |n: usize, b: &u8| n << 8 | usize::from(*b);
        Some(if big_endian {
            bytes.iter().fold(0, digit)
        } else {
            bytes.iter().rev().fold(0, digit)
        })
    };
    let page = number(4, 4);
    let next = page.and_then(|at| number(at.checked_add(2 + 12 * number(at, 2)?)?, 4));
    next.is_some_and(|next| next != 0)
}

/// The most pixels that a file of such a length can hold.
fn most_pixels(format: ImageFormat, length: u64) -> u64 {
    match format {
        // Deflate makes at most 1032 bytes of one, of eight pixels each.
        ImageFormat::Png => length.saturating_mul(8 * 1032),
        // Each block of a component, 8 × 8 samples, takes a bit or more. Along a row some component
        // has a sample for each pixel, along a column some component has, and the others at least one
        // for four. If both are the same one, it has a block for each 64 pixels; if not, each has one
        // for 256, and they one for 128 together.
        ImageFormat::Jpeg => length.saturating_mul(8 * 128),
        // A code of twelve bits stands for at most 4095 pixels.
        ImageFormat::Gif => length.saturating_mul(8 * 4095 / 12),
        // A run of at most 255 pixels takes two bytes.
        ImageFormat::Bmp => length.saturating_mul(128),
        // A pixel takes a bit.
        ImageFormat::Pnm => length.saturating_mul(8),
        // A white page takes next to nothing, whatever its size.
        _ => length.saturating_mul(8 * 1032).max(MOST_VALUES as u64),
    }
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

/// Whether a file is not cut off, as far as its decoder would not miss the rest.
fn is_whole(format: ImageFormat, bytes: &[u8]) -> bool {
    match format {
        ImageFormat::Jpeg => has_end(bytes),
        // What follows the eight bytes that say how long it is; the decoder goes by the parts.
        ImageFormat::WebP => match bytes[4..8] {
            [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])) + 8 <= bytes.len() as u64,
            _ => false,
        },
        _ => true,
    }
}

/// Whether the marker at the end of JPEG data is there. The decoder takes what is cut off as grey.
fn has_end(bytes: &[u8]) -> bool {
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
            format!("no picture ({}): {what}", formats())
        }
    }
}

/// The error of a file that cannot be decoded.
fn undecodable(path: &Path, bytes: &[u8], error: &ImageError) -> Error {
    let reason = error.to_string();
    // It may be several lines.
    let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
    Error::file(
        path,
        match error {
            ImageError::Limits(_) => format!("this picture is too large ({reason}): scale it down"),
            ImageError::Unsupported(_) => {
                let name = format(bytes).map_or("picture", name);
                format!("a {name} of a kind that is not read ({reason}): convert it to plain PNG")
            }
            _ => format!("the file is damaged ({reason}): fetch or write it again"),
        },
    )
}

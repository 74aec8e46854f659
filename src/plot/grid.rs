//! Many small pictures as one: tiles in reading order with a margin around each, as a PNG.
//!
//! Pictures of a few dozen pixels are uncomfortable to look at, so each pixel becomes a square of
//! as many pixels as it takes for a tile to measure 56 or more. The squares stay sharp:
//! interpolation would hide what a model really draws.

use png::{BitDepth, ColorType, Encoder};

/// What a tile's longer side is magnified to at least, in pixels.
const COMFORTABLE: usize = 56;

/// The width of the margin around the tiles, in pixels.
const MARGIN: usize = 2;

/// The grey of the margin, which neither a black nor a white background hides.
const NEUTRAL: u8 = 0x80;

/// Pictures of one size, to be drawn next to each other.
#[derive(Debug, Clone, Copy)]
pub struct Grid<'a> {
    /// Height of a picture, H.
    pub height: usize,
    /// Width of a picture, W.
    pub width: usize,
    /// Channels of a pixel, C: 1 is grey, 3 is red, green, blue.
    pub channels: usize,
    /// How many pictures stand next to each other; see [`columns_for`].
    pub columns: usize,
    /// The pictures, `[N, H·W·C]`: rows of pixels, a pixel's channels next to each other.
    /// Intensities run from 0 to 1, those outside are drawn as the nearer end, and NaN as black.
    pub pixels: &'a [f32],
}

impl Grid<'_> {
    /// The bytes of the PNG file.
    ///
    /// # Panics
    ///
    /// If there is no picture, if a side or `columns` is 0, if `channels` is neither 1 nor 3, or
    /// if `pixels` is not a whole number of pictures.
    pub fn encode(&self) -> Vec<u8> {
        let (width, height, samples) = self.draw();
        let mut bytes = Vec::new();
        write_png(&mut bytes, [width, height], self.color(), &samples)
            .expect("memory takes any picture that fits into it");
        bytes
    }

    /// How many bytes the picture has before it is compressed, unless that is more than can be counted.
    ///
    /// # Panics
    ///
    /// As [`Self::encode`].
    pub fn bytes(&self) -> Option<usize> {
        let count = self.pixels.len() / (self.height * self.width * self.channels);
        let columns = self.columns.min(count);
        let side = |tiles: usize, pixels: usize| {
            let tile = pixels.checked_mul(self.scale())?.checked_add(MARGIN)?;
            tiles.checked_mul(tile)?.checked_add(MARGIN)
        };
        let (height, width) =
            (side(count.div_ceil(columns), self.height)?, side(columns, self.width)?);
        height.checked_mul(width)?.checked_mul(self.channels)
    }

    /// PNG's name for the number of channels.
    fn color(&self) -> ColorType {
        match self.channels {
            1 => ColorType::Grayscale,
            3 => ColorType::Rgb,
            other => panic!("a pixel has 1 or 3 channels, not {other}"),
        }
    }

    /// Width, height and samples of the whole picture.
    fn draw(&self) -> (usize, usize, Vec<u8>) {
        let size = self.height * self.width * self.channels;
        assert!(size > 0 && self.columns > 0, "pictures and grid need sides of 1 or more");
        let whole = !self.pixels.is_empty() && self.pixels.len().is_multiple_of(size);
        assert!(whole, "{} values are not pictures of {size}", self.pixels.len());

        let count = self.pixels.len() / size;
        let columns = self.columns.min(count);
        let (tile_height, tile_width) = (self.height * self.scale(), self.width * self.scale());
        let width = MARGIN + columns * (tile_width + MARGIN);
        let height = MARGIN + count.div_ceil(columns) * (tile_height + MARGIN);
        let mut samples = vec![NEUTRAL; height * width * self.channels];
        for (i, picture) in self.pixels.chunks_exact(size).enumerate() {
            let top = MARGIN + i / columns * (tile_height + MARGIN);
            let left = MARGIN + i % columns * (tile_width + MARGIN);
            for y in 0..tile_height {
                let start = ((top + y) * width + left) * self.channels;
                let line = &mut samples[start..][..tile_width * self.channels];
                self.draw_line(picture, y, line);
            }
        }
        (width, height, samples)
    }

    /// Draws line `y` of a magnified picture.
    fn draw_line(&self, picture: &[f32], y: usize, line: &mut [u8]) {
        let row = &picture[y / self.scale() * self.width * self.channels..];
        let squares = line.chunks_exact_mut(self.scale() * self.channels);
        for (square, pixel) in squares.zip(row.chunks_exact(self.channels)) {
            for samples in square.chunks_exact_mut(self.channels) {
                for (sample, &intensity) in samples.iter_mut().zip(pixel) {
                    *sample = to_sample(intensity);
                }
            }
        }
    }

    /// How many pixels wide and high a pixel is drawn. The longer side decides, so that a picture
    /// of one line does not become a wall.
    fn scale(&self) -> usize {
        COMFORTABLE.div_ceil(self.height.max(self.width))
    }
}

/// The byte of an intensity. NaN passes `clamp` and becomes 0 in the cast.
fn to_sample(intensity: f32) -> u8 {
    (intensity.clamp(0.0, 1.0) * 255.0).round() as u8
}

/// Encodes a picture of `[width, height]`.
fn write_png(
    out: &mut Vec<u8>,
    size: [usize; 2],
    color: ColorType,
    samples: &[u8],
) -> Result<(), png::EncodingError> {
    // A side that does not fit saturates, and the encoder refuses it.
    let [width, height] = size.map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    let mut encoder = Encoder::new(out, width, height);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(samples)?;
    writer.finish()
}

/// The number of columns that makes a grid of `n` pictures nearly square, never taller than wide:
/// ⌈√n⌉, and at least 1.
pub fn columns_for(n: usize) -> usize {
    let root = n.isqrt();
    (root + usize::from(root * root < n)).max(1)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    /// A PNG as a program that shows it sees it.
    struct Decoded {
        width: usize,
        height: usize,
        channels: usize,
        samples: Vec<u8>,
    }

    impl Decoded {
        fn new(bytes: Vec<u8>) -> Self {
            let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
            let mut samples = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut samples).unwrap();
            let (width, height) = (info.width as usize, info.height as usize);
            assert_eq!(info.bit_depth, BitDepth::Eight);
            Decoded { width, height, channels: info.color_type.samples(), samples }
        }

        fn at(&self, y: usize, x: usize) -> &[u8] {
            &self.samples[(y * self.width + x) * self.channels..][..self.channels]
        }
    }

    #[test]
    fn tiles_stand_in_reading_order_with_margins_between() {
        let (height, width, columns) = (28, 14, 2);
        let pixels = [0.0, 0.2, 1.0].map(|grey| vec![grey; height * width]).concat();
        let grid = Grid { height, width, channels: 1, columns, pixels: &pixels };
        let png = Decoded::new(grid.encode());
        assert_eq!((png.width, png.height, png.channels), (2 + 2 * 30, 2 + 2 * 58, 1));
        for y in 0..png.height {
            for x in 0..png.width {
                let inside = y % 58 >= MARGIN && x % 30 >= MARGIN;
                let expected = match (inside, y / 58 * 2 + x / 30) {
                    (true, 0) => 0,
                    (true, 1) => 51,
                    (true, 2) => 255,
                    _ => NEUTRAL,
                };
                assert_eq!(png.at(y, x), [expected], "y = {y}, x = {x}");
            }
        }
    }

    #[test]
    fn every_pixel_becomes_a_sharp_square() {
        let pixels = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0];
        let grid = Grid { height: 2, width: 3, channels: 1, columns: 1, pixels: &pixels };
        let png = Decoded::new(grid.encode());
        let scale = 19; // ⌈56 / 3⌉
        assert_eq!((png.width, png.height), (3 * scale + 4, 2 * scale + 4));
        for y in 0..2 * scale {
            for x in 0..3 * scale {
                let expected = 51 * (y / scale * 3 + x / scale) as u8;
                assert_eq!(png.at(y + MARGIN, x + MARGIN), [expected], "y = {y}, x = {x}");
            }
        }
    }

    #[test]
    fn colours_keep_their_channels() {
        let pixels = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0];
        let grid = Grid { height: 2, width: 2, channels: 3, columns: 1, pixels: &pixels };
        let png = Decoded::new(grid.encode());
        assert_eq!((png.width, png.height, png.channels), (60, 60, 3));
        assert_eq!(png.at(0, 0), [NEUTRAL; 3]);
        assert_eq!(png.at(2, 2), [255, 0, 0]);
        assert_eq!(png.at(2, 57), [0, 255, 0]);
        assert_eq!(png.at(57, 2), [0, 0, 255]);
        assert_eq!(png.at(57, 57), [255, 255, 0]);
    }

    #[test]
    fn intensities_are_clamped_and_nan_is_black() {
        let table = [
            (-0.5, 0),
            (0.0, 0),
            (0.5, 128),
            (1.0, 255),
            (7.0, 255),
            (f32::INFINITY, 255),
            (f32::NEG_INFINITY, 0),
            (f32::NAN, 0),
        ];
        for (intensity, expected) in table {
            let grid = Grid { height: 1, width: 1, channels: 1, columns: 1, pixels: &[intensity] };
            assert_eq!(Decoded::new(grid.encode()).at(30, 30), [expected], "{intensity}");
        }
    }

    #[test]
    fn large_pictures_are_not_magnified_and_few_do_not_leave_empty_columns() {
        let pixels = vec![0.5; 100 * 80 * 2];
        let grid = Grid { height: 100, width: 80, channels: 1, columns: 5, pixels: &pixels };
        assert_eq!(grid.bytes(), Some((2 + 2 * 82) * (2 + 102)));
        let png = Decoded::new(grid.encode());
        assert_eq!((png.width, png.height), (2 + 2 * 82, 2 + 102));
    }

    #[test]
    fn the_grid_is_nearly_square() {
        for (n, columns) in
            [(0, 1), (1, 1), (2, 2), (3, 2), (4, 2), (5, 3), (9, 3), (10, 4), (64, 8), (65, 9)]
        {
            assert_eq!(columns_for(n), columns, "n = {n}");
        }
    }

    #[test]
    #[should_panic = "not pictures of 4"]
    fn half_a_picture_is_a_mistake() {
        Grid { height: 2, width: 2, channels: 1, columns: 1, pixels: &[0.0; 6] }.encode();
    }
}

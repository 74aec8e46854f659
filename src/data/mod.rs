//! Data: what it is, where it comes from, and which rows play which role.
//!
//! A [`Dataset`] keeps its rows as they came (bytes stay bytes) and turns them into the model's
//! numbers batch by batch. A [`Source`] is a dataset with its own test part, if it has one, read
//! from a file or made by the embedded generator. A [`Part`] is the rows that play one role.

pub mod digits;
mod file;
pub mod idx;
#[cfg(feature = "cli")]
pub mod npy;
mod part;
mod source;

pub use part::{Binarize, Part, Parts, Roles};
pub use source::Source;

use crate::distribution::{Distribution, Support};
use crate::error::{Error, Result};
use crate::real::Real;
use crate::simd;

/// The values of a dataset, row-major.
#[derive(Clone, Debug, PartialEq)]
pub enum Values {
    /// Bytes; 0 … 255 stand for 0 … 1.
    U8(Vec<u8>),
    /// Numbers as they are.
    F32(Vec<f32>),
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::U8(v) => v.len(),
            Values::F32(v) => v.len(),
        }
    }
}

/// The shape of an image whose pixels are a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageShape {
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
    /// Values of a pixel: 1 grey, 3 red, green and blue.
    pub channels: usize,
}

impl ImageShape {
    /// Whether rows of `width` values can be such images.
    ///
    /// # Errors
    /// If they cannot, or a pixel has neither one nor three channels.
    pub fn check(&self, width: usize) -> Result<()> {
        let sides = [self.height, self.width, self.channels];
        let product = sides.iter().try_fold(1usize, |n, side| n.checked_mul(*side));
        if product != Some(width) || !matches!(self.channels, 1 | 3) {
            let [h, w, c] = sides;
            let message =
                format!("rows of {width} values are not images of {h} × {w} × {c} (grey or RGB)");
            return Err(Error::setting("data", message));
        }
        Ok(())
    }
}

/// Rows of equal width.
#[derive(Clone, Debug)]
pub struct Dataset {
    values: Values,
    width: usize,
    image: Option<ImageShape>,
    labels: Option<Vec<u8>>,
}

impl Dataset {
    /// A dataset of `values.len() / width` rows.
    ///
    /// # Errors
    /// If there is no whole number of rows, none at all, or a value is not finite.
    pub fn new(values: Values, width: usize) -> Result<Self> {
        if width == 0 || values.len() == 0 || !values.len().is_multiple_of(width) {
            let message =
                format!("{} values are not a whole number of rows of {width}", values.len());
            return Err(Error::setting("data", message));
        }
        if let Values::F32(v) = &values
            && let Some(i) = v.iter().position(|v| !v.is_finite())
        {
            let message = "values must be finite; remove or fill in such rows".to_owned();
            return Err(Error::Value {
                row: i / width,
                column: i % width,
                value: v[i] as f64,
                message,
            });
        }
        Ok(Dataset { values, width, image: None, labels: None })
    }

    /// The same dataset, known to be images.
    ///
    /// # Errors
    /// If an image has not as many values as a row.
    pub fn with_image(mut self, image: ImageShape) -> Result<Self> {
        image.check(self.width)?;
        self.image = Some(image);
        Ok(self)
    }

    /// The same dataset with a label for each row.
    ///
    /// # Errors
    /// If there are more or fewer labels than rows.
    pub fn with_labels(mut self, labels: Vec<u8>) -> Result<Self> {
        if labels.len() != self.rows() {
            return Err(Error::setting(
                "data",
                format!("{} labels for {} rows", labels.len(), self.rows()),
            ));
        }
        self.labels = Some(labels);
        Ok(self)
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    /// Width D of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The shape of a row as an image, if it is one.
    pub fn image(&self) -> Option<ImageShape> {
        self.image
    }

    /// The label of every row, if there are labels.
    pub fn labels(&self) -> Option<&[u8]> {
        self.labels.as_deref()
    }

    /// The values as they came.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// `out ← row`, bytes scaled to [0, 1]; `out: [D]`.
    ///
    /// # Panics
    /// If there is no such row, or `out` has another width.
    pub fn read<T: Real>(&self, out: &mut [T], row: usize) {
        let range = row * self.width..(row + 1) * self.width;
        match &self.values {
            Values::U8(v) => {
                // Multiplied in f64: rounded to f32 this is the correctly rounded quotient, without the
                // cost of a division.
                let bytes = &v[range];
                simd::dispatch(
                    #[inline(always)]
                    || {
                        out.iter_mut()
                            .zip(bytes)
                            .for_each(|(o, &v)| *o = T::from_f64(v as f64 * (1.0 / 255.0)));
                    },
                );
            }
            Values::F32(v) => {
                out.iter_mut().zip(&v[range]).for_each(|(o, &v)| *o = T::from_f64(v as f64))
            }
        }
    }

    /// Whether `p` can have every value of the dataset.
    ///
    /// # Errors
    /// [`Error::Value`] at the first value that it cannot train on.
    pub fn support<T: Real>(&self, p: &dyn Distribution<T>) -> Result<Support> {
        let mut verdict = Support::Inside;
        let mut judge = |i: usize, value: f64, support: Support| match support {
            Support::Outside(message) => {
                let (row, column) = (i / self.width, i % self.width);
                Err(Error::Value { row, column, value, message: message.to_owned() })
            }
            Support::CrossEntropy(_) => {
                verdict = support;
                Ok(())
            }
            Support::Inside => Ok(()),
        };
        match &self.values {
            Values::U8(v) => {
                let table: Vec<_> = (0..256).map(|b| p.support(b as f64 / 255.0)).collect();
                v.iter()
                    .enumerate()
                    .try_for_each(|(i, &b)| judge(i, b as f64 / 255.0, table[b as usize]))?;
            }
            Values::F32(v) => {
                v.iter()
                    .enumerate()
                    .try_for_each(|(i, &v)| judge(i, v as f64, p.support(v as f64)))?;
            }
        }
        Ok(verdict)
    }

    /// A 64-bit fingerprint of width and values (FNV-1a), to notice that a run is resumed on other
    /// data. Not a defence against forgery.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut eat = |byte: u64| hash = (hash ^ byte).wrapping_mul(0x0000_0100_0000_01b3);
        eat(self.width as u64);
        match &self.values {
            Values::U8(v) => v.iter().for_each(|&b| eat(b as u64)),
            Values::F32(v) => v.iter().for_each(|&v| eat(v.to_bits() as u64)),
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distribution;

    #[test]
    fn bytes_are_scaled_and_numbers_are_not() {
        let mut out = [0f32; 2];
        Dataset::new(Values::U8(vec![0, 0, 51, 255]), 2).unwrap().read(&mut out, 1);
        assert_eq!(out, [0.2, 1.0]);
        Dataset::new(Values::F32(vec![1.5, -2.0]), 2).unwrap().read(&mut out, 0);
        assert_eq!(out, [1.5, -2.0]);
    }

    #[test]
    fn every_byte_is_its_correctly_rounded_quotient() {
        let (mut single, mut double) = ([0f32; 256], [0f64; 256]);
        let data = Dataset::new(Values::U8((0..=255).collect()), 256).unwrap();
        data.read(&mut single, 0);
        data.read(&mut double, 0);
        assert!((0..256).all(|b| single[b] == b as f32 / 255.0));
        assert!((0..256).all(|b| (double[b] - b as f64 / 255.0).abs() <= f64::EPSILON / 2.0));
        assert_eq!((double[0], double[255]), (0.0, 1.0));
    }

    #[test]
    fn bad_values_are_named_by_row_and_column() {
        let nan = Dataset::new(Values::F32(vec![0.0, 1.0, 2.0, f32::NAN]), 2).unwrap_err();
        assert!(nan.to_string().starts_with("row 1, column 1"), "{nan}");
        assert!(Dataset::new(Values::U8(vec![1, 2, 3]), 2).is_err());
        assert!(Dataset::new(Values::U8(vec![]), 2).is_err());

        let bernoulli = distribution::build::<f32>(&"bernoulli".parse().unwrap()).unwrap();
        let support = |v: Vec<f32>| Dataset::new(Values::F32(v), 2).unwrap().support(&*bernoulli);
        assert_eq!(support(vec![0.0, 1.0]).unwrap(), Support::Inside);
        assert!(matches!(support(vec![0.5, 1.0]).unwrap(), Support::CrossEntropy(_)));
        assert!(matches!(
            support(vec![0.0, 1.0, 2.0, 0.0]),
            Err(Error::Value { row: 1, column: 0, .. })
        ));
    }
}

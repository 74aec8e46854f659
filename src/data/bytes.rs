//! What the bytes of a data set stand for.
//!
//! Most are pictures: 0 … 255 are the shades from black to white. But NumPy's users, and many who
//! write IDX, store what is 0 or 1 as bytes too, and 1 is then not the darkest shade there is. The
//! file does not say which of the two it means, so the largest byte does, once for all of a data set;
//! a model remembers it, and its other data are read alike.

use super::Dataset;
use super::reader::{Expected, Source};
use crate::error::{Error, Result};
use std::path::Path;
use std::str::FromStr;

/// What the bytes of a data set stand for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bytes {
    /// 0 … 255 stand for 0 … 1.
    #[default]
    Levels,
    /// 0 and 1 stand for themselves, and there are no others.
    Bits,
}

impl Bytes {
    /// Every reading there is.
    pub const ALL: [Bytes; 2] = [Bytes::Levels, Bytes::Bits];

    /// Its name in the model file.
    pub fn name(self) -> &'static str {
        match self {
            Bytes::Levels => "levels",
            Bytes::Bits => "bits",
        }
    }

    /// What bytes up to `largest` most likely stand for.
    fn of(largest: u8) -> Self {
        if largest == 1 { Bytes::Bits } else { Bytes::Levels }
    }

    /// What a byte is multiplied by. In f64: rounded to f32 the product with 1/255 is the correctly
    /// rounded quotient, without the cost of a division.
    #[inline(always)]
    pub(super) fn unit(self) -> f64 {
        match self {
            Bytes::Levels => 1.0 / 255.0,
            Bytes::Bits => 1.0,
        }
    }

    /// The same for a user.
    fn note(self) -> &'static str {
        match self {
            Bytes::Levels => "bytes are read as 0 … 1: every value is divided by 255",
            Bytes::Bits => {
                "the bytes are 0 and 1, and are read as these numbers: nothing is divided by 255"
            }
        }
    }
}

impl FromStr for Bytes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Bytes::ALL.into_iter().find(|b| b.name() == text).ok_or_else(|| {
            let names = Bytes::ALL.map(Bytes::name).join(", ");
            Error::setting("bytes", format!("`{text}` is unknown; known are {names}"))
        })
    }
}

impl Source {
    /// Decides what the bytes of both parts stand for: what a model expects, or what the training part
    /// looks like. What is no bytes, or is known to be bits already, stays as it is.
    ///
    /// # Errors
    /// If bits are wanted, and there are other bytes.
    pub(super) fn settle_bytes(mut self, path: &Path, expected: Option<&Expected>) -> Result<Self> {
        let Some(largest) = self.train.unsettled() else { return Ok(self) };
        let model = expected.and_then(|model| model.bytes);
        let bytes = model.unwrap_or(Bytes::of(largest));
        let settle = |data: Dataset, whose: &str| match data.largest_byte() {
            Some(found) if bytes == Bytes::Bits && found > 1 => {
                let message = format!(
                    "the largest byte is {found} where {whose} had only 0 and 1: store what is \
                     meant as 0 … 1 with numpy.save, (array / 255).astype(\"float32\") or array > 0"
                );
                Err(Error::file(path, message))
            }
            _ => Ok(data.with_bytes(bytes)),
        };
        let whose = if model.is_some() { "the model's training data" } else { "the training part" };
        self.train = settle(self.train, whose)?;
        self.test = self.test.map(|test| settle(test, whose)).transpose()?;
        let other = bytes == Bytes::Levels && largest == 1;
        let but = if other { ", as the model's were, though none is above 1" } else { "" };
        self.notes.push(format!("{}{but}", bytes.note()));
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::input::testing::assert_refused;
    use super::super::{Values, testing::all};
    use super::*;

    fn source(train: &[u8], test: Option<&[u8]>) -> Source {
        let data = |bytes: &[u8]| Dataset::new(Values::U8(bytes.to_vec()), 1).unwrap();
        Source { train: data(train), test: test.map(data), notes: Vec::new() }
    }

    fn settled(source: Source, model: Option<Bytes>) -> Result<Source> {
        let expected = Expected { bytes: model, ..Expected::default() };
        source.settle_bytes(Path::new("x"), Some(&expected))
    }

    #[test]
    fn the_training_part_decides_for_both() {
        for (train, test, bytes, values) in [
            (&[0, 1][..], &[1, 1][..], Bytes::Bits, [1.0, 1.0]),
            (&[0, 255], &[1, 0], Bytes::Levels, [1.0 / 255.0, 0.0]),
            (&[0, 2], &[255, 0], Bytes::Levels, [1.0, 0.0]),
            (&[0, 0], &[255, 0], Bytes::Levels, [1.0, 0.0]),
        ] {
            let found = settled(source(train, Some(test)), None).unwrap();
            let test = found.test.unwrap();
            assert_eq!((found.train.bytes(), test.bytes()), (Some(bytes), Some(bytes)));
            assert_eq!(all::<f64>(&test), values);
            assert_eq!(found.notes, [bytes.note()]);
        }
        let mixed = settled(source(&[0, 1], Some(&[0, 7])), None);
        assert_refused(mixed, "the largest byte is 7 where the training part had only 0 and 1");
    }

    #[test]
    fn a_model_decides_for_its_other_data() {
        for (bytes, model, value) in [
            (&[0, 1][..], Bytes::Bits, 1.0),
            (&[0, 0], Bytes::Bits, 0.0),
            (&[0, 1], Bytes::Levels, 1.0 / 255.0),
            (&[0, 255], Bytes::Levels, 1.0),
        ] {
            let found = settled(source(bytes, None), Some(model)).unwrap();
            assert_eq!(all::<f64>(&found.train)[1], value, "{bytes:?} {model:?}");
        }
        let dim = settled(source(&[0, 1], None), Some(Bytes::Levels)).unwrap();
        assert!(dim.notes[0].contains("though none is above 1"), "{:?}", dim.notes);
        let grey = settled(source(&[0, 255], None), Some(Bytes::Bits));
        assert_refused(grey, "the largest byte is 255 where the model's training data had only");
    }

    #[test]
    fn embedded_data_and_numbers_are_passed_by_without_a_word() {
        let digits = Source::open("digits:count=10").unwrap();
        assert_eq!((digits.train.bytes(), digits.notes.len()), (Some(Bytes::Levels), 0));
        #[cfg(feature = "cli")]
        {
            let options = super::super::ReadOptions::default();
            let table = Source::from_bytes("x", b"0.5,1\n1,0\n".to_vec(), &options).unwrap();
            assert_eq!((table.train.bytes(), table.notes.len()), (None, 0));
        }
    }

    #[test]
    fn names_are_read_back() {
        Bytes::ALL.iter().for_each(|b| assert_eq!(b.name().parse::<Bytes>().unwrap(), *b));
        assert!("nibbles".parse::<Bytes>().is_err());
    }
}

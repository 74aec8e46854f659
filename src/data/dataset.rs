//! Rows of equal width, as they came.

use super::column::ColumnKind;
use super::{Bytes, Columns, ImageShape, Labels, Name, Table, TableLayout, Values};
use crate::error::{Error, Result};
use crate::real::Real;
use std::sync::Arc;

/// Rows of equal width.
#[derive(Debug)]
pub struct Dataset {
    values: Values,
    columns: Arc<Columns>,
    /// What bytes stand for, once that is decided.
    bytes: Option<Bytes>,
    /// The largest value, if the values are bytes.
    largest: Option<u8>,
    image: Option<ImageShape>,
    labels: Option<Labels>,
    /// Columns of classes that are no values.
    classes: Vec<Labels>,
    names: Option<Vec<String>>,
    table: Option<TableLayout>,
    /// What its columns are, of a table of several kinds or with missing cells.
    kinds: Option<Arc<Table>>,
    /// The line of the first row in its file, where each further row stands a line below.
    first_line: Option<u64>,
    fingerprint: u64,
}

/// Values that a pass over many rows holds at a time.
const PASS: usize = 8192;

impl Dataset {
    /// A dataset of `values.len() / width` rows. Everything is read once, to check it. Bytes are
    /// [`Bytes::Levels`] unless [`Self::with_bytes`] says otherwise.
    ///
    /// # Errors
    /// If there is no whole number of rows, none at all, or a value is not finite.
    pub fn new(values: Values, width: usize) -> Result<Self> {
        if width == 0 || values.len() == 0 || !values.len().is_multiple_of(width) {
            let message =
                format!("{} values are not a whole number of rows of {width}", values.len());
            return Err(Error::setting("data", message));
        }
        let (fingerprint, largest) = values.inspect(width, false)?;
        let kind = if values.are_bytes() { ColumnKind::Pixel } else { ColumnKind::Number };
        Ok(Dataset {
            values,
            columns: Arc::new(Columns::alike(width, kind)),
            bytes: None,
            largest,
            image: None,
            labels: None,
            classes: Vec::new(),
            names: None,
            table: None,
            kinds: None,
            first_line: None,
            fingerprint,
        })
    }

    /// The rows of a table, `[N·C]` values of the C columns that are learned; NaN stands for a missing cell.
    ///
    /// # Errors
    /// If there is no whole number of rows, none at all, or a value is infinite.
    pub fn of_table(values: Vec<f64>, table: Table) -> Result<Self> {
        let columns = table.learned().count();
        if columns == 0 || values.is_empty() || !values.len().is_multiple_of(columns) {
            let message = format!("{} values are not rows of {columns}", values.len());
            return Err(Error::setting("data", message));
        }
        let (width, values) = (table.width(), Values::F64(table.expanded(&values)));
        let (fingerprint, _) = values.inspect(width, true)?;
        Ok(Dataset {
            values,
            columns: Arc::new(table.plain_columns().with_names(table.names())?),
            bytes: None,
            largest: None,
            image: None,
            labels: None,
            classes: Vec::new(),
            names: None,
            table: None,
            kinds: Some(Arc::new(table)),
            first_line: None,
            fingerprint,
        })
    }

    /// The same rows, of which a model has what this table makes of them.
    ///
    /// # Errors
    /// As [`Self::of_table`].
    ///
    /// # Panics
    /// If it was no table, or one of other columns.
    pub(super) fn seen_as(&self, table: Table) -> Result<Self> {
        let kinds = self.kinds().expect("a table");
        let Values::F64(values) = &self.values else { unreachable!("tables are numbers") };
        let cells = values.chunks_exact(kinds.width()).flat_map(|row| kinds.contracted(row));
        let data = Dataset::of_table(cells.collect(), table)?;
        Ok(Dataset {
            labels: self.labels.clone(),
            classes: self.classes.clone(),
            names: self.names.clone(),
            table: self.table.clone(),
            first_line: self.first_line,
            ..data
        })
    }

    /// What its columns are, of a table of several kinds or with missing cells.
    pub fn kinds(&self) -> Option<&Table> {
        self.kinds.as_deref()
    }

    /// The same dataset, whose bytes stand for this; other values stay as they are.
    ///
    /// # Panics
    /// If bits are asked for, and a byte is larger than 1.
    pub fn with_bytes(mut self, bytes: Bytes) -> Self {
        let bits = self.largest.is_none_or(|largest| largest <= 1);
        assert!(bits || bytes != Bytes::Bits, "a byte of {:?} is no bit", self.largest);
        self.bytes = self.largest.map(|_| bytes);
        self
    }

    /// The same dataset, known to be images.
    ///
    /// # Errors
    /// If an image has not as many values as a row.
    pub fn with_image(mut self, image: ImageShape) -> Result<Self> {
        image.check(self.width())?;
        self.image = Some(image);
        Ok(self)
    }

    /// The same dataset with a name for each column.
    ///
    /// # Errors
    /// If there are more or fewer names than columns.
    pub fn with_columns<N: Into<Name>>(mut self, names: Vec<N>) -> Result<Self> {
        self.columns = Arc::new(Arc::unwrap_or_clone(self.columns).with_names(names)?);
        Ok(self)
    }

    /// The same dataset with a label for each row.
    ///
    /// # Errors
    /// If there are more or fewer labels than rows.
    pub fn with_labels(mut self, labels: Labels) -> Result<Self> {
        if labels.rows() != self.rows() {
            let message = format!("{} labels for {} rows", labels.rows(), self.rows());
            return Err(Error::setting("data", message));
        }
        self.labels = Some(labels);
        Ok(self)
    }

    /// The same dataset with columns of classes beside its values, each known by its column.
    ///
    /// # Errors
    /// If there are more or fewer classes than rows.
    pub fn with_classes(mut self, classes: Vec<Labels>) -> Result<Self> {
        if let Some(other) = classes.iter().find(|c| c.rows() != self.rows()) {
            let message = format!("{} classes for {} rows", other.rows(), self.rows());
            return Err(Error::setting("data", message));
        }
        self.classes = classes;
        Ok(self)
    }

    /// The same dataset with a name for each row, such as that of its file.
    ///
    /// # Errors
    /// If there are more or fewer names than rows.
    pub fn with_names(mut self, names: Vec<String>) -> Result<Self> {
        if names.len() != self.rows() {
            let message = format!("{} names for {} rows", names.len(), self.rows());
            return Err(Error::setting("data", message));
        }
        self.names = Some(names);
        Ok(self)
    }

    /// The same dataset, whose numbers are pixels from 0 to 1.
    #[cfg(feature = "cli")] // they come from pictures alone
    pub(crate) fn with_pixels(mut self) -> Self {
        let columns = Arc::unwrap_or_clone(self.columns);
        self.columns = Arc::new(columns.of_kind(ColumnKind::Pixel));
        self
    }

    /// The same dataset, known to come from a table in text. `first_line` is the line of its first
    /// row, counted from 1, if each further row stands a line below the one before.
    pub fn with_table(mut self, table: TableLayout, first_line: Option<u64>) -> Self {
        (self.table, self.first_line) = (Some(table), first_line);
        self
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.values.len() / self.width()
    }

    /// Width D of a row.
    pub fn width(&self) -> usize {
        self.columns.width()
    }

    /// The shape of a row as an image, if it is one.
    pub fn image(&self) -> Option<ImageShape> {
        self.image
    }

    /// The columns, in their own units.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// The same, to be shared.
    pub(super) fn shared_columns(&self) -> Arc<Columns> {
        self.columns.clone()
    }

    /// How the table was read, if it came from one in text.
    pub fn table(&self) -> Option<&TableLayout> {
        self.table.as_ref()
    }

    /// The error of a value that something cannot use.
    pub(crate) fn bad_value(&self, row: usize, column: usize, value: f64, message: &str) -> Error {
        let name = self.columns[column].text().map(str::to_owned);
        let line = self.first_line.map(|first| first + row as u64);
        Error::Value { row, column, name, line, value, message: message.to_owned() }
    }

    /// The label of every row, if there are labels.
    pub fn labels(&self) -> Option<&Labels> {
        self.labels.as_ref()
    }

    /// The class of every row in the column `name`, if that was read as one of classes.
    pub fn classes(&self, name: &str) -> Option<&Labels> {
        self.classes.iter().find(|classes| classes.column() == Some(name))
    }

    /// All such columns.
    pub fn all_classes(&self) -> &[Labels] {
        &self.classes
    }

    /// The name of every row, if rows have names: pictures have those of their files.
    pub fn names(&self) -> Option<&[String]> {
        self.names.as_deref()
    }

    /// Whether the values are pixels from 0 to 1: bytes, or numbers from pictures of more bits.
    pub fn are_pixels(&self) -> bool {
        self.columns.are_pixels()
    }

    /// The values as they came.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// Whether `is` holds for every value, bytes as what they stand for. Reads no further than to the
    /// block of the first for which it does not.
    ///
    /// # Errors
    /// If the values lie in a file that cannot be read any more.
    pub fn all_values(&self, is: impl Fn(f64) -> bool) -> Result<bool> {
        let unit = self.bytes().map_or(1.0, Bytes::unit);
        let (mut first, mut all) = (0, true);
        while all && first < self.values.len() {
            let last = self.values.len().min(first + PASS);
            self.values
                .blocks(first..last, &mut |_, block| block.for_each(|x| all &= is(x * unit)))?;
            first = last;
        }
        Ok(all)
    }

    /// What the bytes stand for, if the values are bytes.
    pub fn bytes(&self) -> Option<Bytes> {
        self.largest.map(|_| self.bytes.unwrap_or_default())
    }

    /// The largest byte, if the values are bytes.
    pub(super) fn largest_byte(&self) -> Option<u8> {
        self.largest
    }

    /// The same, if what they stand for is still to be decided.
    pub(super) fn unsettled(&self) -> Option<u8> {
        self.largest.filter(|_| self.bytes.is_none())
    }

    /// `out ← row`, bytes scaled to [0, 1] and, with columns, in their units; `out: [D]`.
    ///
    /// # Errors
    /// If the row lies in a file that cannot be read any more.
    ///
    /// # Panics
    /// If there is no such row, or `out` or the columns have another width.
    pub fn read<T: Real>(
        &self,
        out: &mut [T],
        row: usize,
        columns: Option<&Columns>,
    ) -> Result<()> {
        let width = self.width();
        let widths = [out.len(), columns.map_or(width, Columns::width)];
        assert_eq!(widths, [width; 2], "a row has {width} values");
        let unit = self.bytes.unwrap_or_default().unit();
        let columns = columns.and_then(Columns::scaled);
        self.values.blocks(row * width..(row + 1) * width, &mut |at, block| match columns {
            None => block.fill(&mut out[at..], unit, |_, x| x),
            Some(columns) => block.fill(&mut out[at..], unit, |j, x| columns[at + j].apply(x)),
        })
    }

    /// Calls `each` with the number and the values of every row of `rows`, in order; consecutive rows
    /// are read together.
    pub(crate) fn for_each_row(
        &self,
        rows: &[usize],
        each: &mut dyn FnMut(usize, &[f64]) -> Result<()>,
    ) -> Result<()> {
        let width = self.width();
        let most = (PASS / width).max(1);
        let unit = self.bytes.unwrap_or_default().unit();
        let mut buffer = vec![0f64; most * width];
        for run in rows.chunk_by(|a, b| a + 1 == *b).flat_map(|run| run.chunks(most)) {
            let values = &mut buffer[..run.len() * width];
            let first = run[0] * width;
            self.values.blocks(first..first + values.len(), &mut |at, block| {
                block.fill(&mut values[at..], unit, |_, x| x)
            })?;
            for (row, values) in run.iter().zip(values.chunks_exact(width)) {
                each(*row, values)?;
            }
        }
        Ok(())
    }

    /// A 64-bit fingerprint of width and values (FNV-1a), to notice that a run is resumed on other
    /// data. Not a defence against forgery.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Unit, testing};

    #[test]
    fn bytes_are_scaled_and_numbers_are_not() {
        let all = |values| testing::all::<f32>(&Dataset::new(values, 2).unwrap());
        assert_eq!(all(Values::U8(vec![0, 0, 51, 255])), [0.0, 0.0, 0.2, 1.0]);
        assert_eq!(all(Values::F32(vec![1.5, -2.0])), [1.5, -2.0]);
        assert_eq!(all(Values::F64(vec![0.1, 1e-300])), [0.1, 0.0]);
    }

    #[test]
    fn bits_are_not_scaled() {
        let data = Dataset::new(Values::U8(vec![0, 1]), 1).unwrap();
        assert_eq!(testing::all::<f32>(&data), [0.0, 1.0 / 255.0]);
        let (same, data) = (data.fingerprint(), data.with_bytes(Bytes::Bits));
        assert_eq!((testing::all::<f32>(&data), data.bytes()), (vec![0.0, 1.0], Some(Bytes::Bits)));
        assert_eq!(data.fingerprint(), same);
        let numbers = Dataset::new(Values::F32(vec![0.0, 7.0]), 1).unwrap();
        assert_eq!(numbers.with_bytes(Bytes::Bits).bytes(), None);
    }

    #[test]
    fn scaling_happens_before_rounding() {
        let data = Dataset::new(Values::F64(vec![1e9 + 0.5, 7.0]), 2).unwrap();
        let units = Unit::all(&[1e9, 7.0], &[0.25, 1.0]).unwrap();
        let columns = data.columns().clone().with_units(&units).unwrap();
        let mut out = [0f32; 2];
        data.read(&mut out, 0, Some(&columns)).unwrap();
        assert_eq!(out, [2.0, 0.0]);
    }

    #[test]
    fn every_byte_is_its_correctly_rounded_quotient() {
        let data = Dataset::new(Values::U8((0..=255).collect()), 256).unwrap();
        let (single, double) = (testing::all::<f32>(&data), testing::all::<f64>(&data));
        assert!((0..256).all(|b| single[b] == b as f32 / 255.0));
        assert!((0..256).all(|b| (double[b] - b as f64 / 255.0).abs() <= f64::EPSILON / 2.0));
        assert_eq!((double[0], double[255]), (0.0, 1.0));
    }

    #[test]
    fn what_holds_for_all_values_holds_for_the_last() {
        let mut values = vec![1.0; 2 * PASS + 2];
        let all = |values: &[f64]| {
            Dataset::new(Values::F64(values.to_vec()), 2).unwrap().all_values(|x| x == 1.0).unwrap()
        };
        assert!(all(&values));
        for place in [0, PASS, 2 * PASS + 1] {
            values[place] = 0.5;
            assert!(!all(&values), "{place}");
            values[place] = 1.0;
        }
        let bytes = Dataset::new(Values::U8(vec![0, 255]), 2).unwrap();
        assert!(bytes.all_values(|x| x == 0.0 || x == 1.0).unwrap());
    }

    #[test]
    fn passes_meet_every_row_once() {
        let data = Dataset::new(Values::U8((0..=255).collect()), 2).unwrap();
        let rows = [0, 1, 2, 9, 10, 127];
        let mut found = Vec::new();
        data.for_each_row(&rows, &mut |row, values| {
            assert_eq!((values[0] * 255.0).round() as usize, 2 * row);
            found.push(row);
            Ok(())
        })
        .unwrap();
        assert_eq!(found, rows);
    }

    #[test]
    fn bad_values_are_named_by_row_and_column() {
        let nan = Dataset::new(Values::F32(vec![0.0, 1.0, 2.0, f32::NAN]), 2).unwrap_err();
        assert!(nan.to_string().starts_with("row 2, column 2"), "{nan}");
        assert!(Dataset::new(Values::F64(vec![f64::INFINITY]), 1).is_err());
        assert!(Dataset::new(Values::U8(vec![1, 2, 3]), 2).is_err());
        assert!(Dataset::new(Values::U8(vec![]), 2).is_err());
    }
}

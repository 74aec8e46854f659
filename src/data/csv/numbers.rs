//! How numbers are written: the form of a cell, and of a column in which all cells agree.

/// A way to write a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `1234.5`, `-3e2`
    Plain,
    /// `1234,5`, `1.234,5`
    Comma,
    /// `1,234.5`
    Thousands,
    /// `True`, `false`
    Truth,
    /// `yes`, `No`
    Answer,
    /// `WAHR`, `falsch`, as German spreadsheets write
    GermanTruth,
    /// `ja`, `Nein`
    GermanAnswer,
}

impl Form {
    /// Every form. Where several fit a whole column, the first is meant.
    pub(super) const ALL: [Form; 7] = [
        Form::Plain,
        Form::Comma,
        Form::Thousands,
        Form::Truth,
        Form::Answer,
        Form::GermanTruth,
        Form::GermanAnswer,
    ];

    /// The words for 1 and 0, where words are what is written.
    fn words(self) -> Option<[&'static str; 2]> {
        match self {
            Form::Plain | Form::Comma | Form::Thousands => None,
            Form::Truth => Some(["true", "false"]),
            Form::Answer => Some(["yes", "no"]),
            Form::GermanTruth => Some(["wahr", "falsch"]),
            Form::GermanAnswer => Some(["ja", "nein"]),
        }
    }

    /// Whether it is written in words.
    pub(super) fn is_words(self) -> bool {
        self.words().is_some()
    }

    /// The finite value of a cell in this form.
    pub(super) fn value(self, cell: &str) -> Option<f64> {
        let number = match (self, self.words()) {
            (_, Some([one, zero])) => word(cell, one, zero),
            (Form::Comma, _) => grouped(cell, '.', ','),
            (Form::Thousands, _) => grouped(cell, ',', '.'),
            _ => cell.parse().ok(),
        };
        number.filter(|number| number.is_finite())
    }

    /// What a user should know of a column that is read so.
    pub(super) fn note(self) -> Option<String> {
        let note = match self {
            Form::Comma => "commas are read as decimal commas (`1,5` is 1.5)",
            Form::Thousands => "commas are read as separators of thousands (`1,234.5` is 1234.5)",
            _ => {
                return self.words().map(|[one, zero]| format!("{one} is read as 1, {zero} as 0"));
            }
        };
        Some(note.to_owned())
    }
}

/// A set of forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forms(u8);

impl Forms {
    /// All of them.
    pub(super) const ALL: Forms = Forms(0b111_1111);

    /// None of them.
    pub(super) const NONE: Forms = Forms(0);

    /// Those in which this cell is a finite number.
    pub(super) fn of(cell: &str) -> Self {
        let fits = |form: &Form| form.value(cell).is_some();
        if !cell.contains(',') && fits(&Form::Plain) {
            // Most cells are such, and they are many.
            let number = Forms::NONE.with(Form::Plain).with(Form::Thousands);
            let comma = !cell.contains('.') || fits(&Form::Comma);
            return if comma { number.with(Form::Comma) } else { number };
        }
        Form::ALL.into_iter().filter(fits).fold(Forms::NONE, |set, form| set.with(form))
    }

    /// Those of them that are numbers, and no words for such.
    pub(super) fn numbers(self) -> Self {
        let words = |form: &Form| form.is_words();
        let numbers = Form::ALL.into_iter().filter(|form| !words(form) && self.has(*form));
        numbers.fold(Forms::NONE, |set, form| set.with(form))
    }

    fn with(self, form: Form) -> Self {
        Forms(self.0 | 1 << form as u8)
    }

    /// Those of both.
    pub(super) fn and(self, other: Self) -> Self {
        Forms(self.0 & other.0)
    }

    /// Whether this form is one of them.
    pub(super) fn has(self, form: Form) -> bool {
        self.and(Forms::NONE.with(form)) != Forms::NONE
    }

    /// Whether there is none.
    pub(super) fn is_empty(self) -> bool {
        self == Forms::NONE
    }

    /// Whether they are these and no others.
    pub(super) fn are(self, forms: &[Form]) -> bool {
        self == forms.iter().fold(Forms::NONE, |set, form| set.with(*form))
    }

    /// The one that is meant.
    pub(super) fn first(self) -> Form {
        Form::ALL.into_iter().find(|form| self.has(*form)).unwrap_or(Form::Plain)
    }
}

/// A number with this decimal point, and maybe with groups of three digits set apart.
fn grouped(cell: &str, separator: char, point: char) -> Option<f64> {
    let unsigned = cell.strip_prefix(['+', '-']).unwrap_or(cell);
    let end = unsigned.find([point, 'e', 'E']).unwrap_or(unsigned.len());
    let (whole, rest) = unsigned.split_at(end);
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mut groups = whole.split(separator);
    let first = groups.next()?;
    let sound = digits(first) && groups.all(|group| group.len() == 3 && digits(group));
    // A group is not filled up with zeros: `0,123` is no number of thousands.
    let counts = (1..=3).contains(&first.len()) && !first.starts_with('0');
    if !sound || rest.contains(separator) || whole.contains(separator) && !counts {
        return None;
    }
    let plain = |c: char| if c == point { '.' } else { c };
    cell.chars().filter(|c| *c != separator).map(plain).collect::<String>().parse().ok()
}

/// 1 or 0 for one word or the other, however it is spelled.
fn word(cell: &str, one: &str, zero: &str) -> Option<f64> {
    let is = |word| cell.eq_ignore_ascii_case(word);
    (is(one) || is(zero)).then(|| f64::from(u8::from(is(one))))
}

/// Whether a plain number has a point where a separator of thousands could stand: `1.234`.
pub(super) fn is_doubtful(cell: &str) -> bool {
    cell.contains('.') && grouped(cell, '.', ',').is_some()
}

/// Whether a plain number has neither point nor exponent.
pub(super) fn is_whole(cell: &str) -> bool {
    let digits = cell.strip_prefix(['+', '-']).unwrap_or(cell);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a cell stands for a value that is not known.
pub(super) fn is_missing(cell: &str) -> bool {
    ["", "na", "n/a", "#n/a", "<na>", "nan", "null", "none", "?", "-"]
        .iter()
        .any(|word| cell.eq_ignore_ascii_case(word))
}

/// Whether a cell is meant to be a number, or several. A row in a form that is not read must not be
/// taken for names, because then it would be lost without a word.
pub(super) fn is_numeric(cell: &str) -> bool {
    let mut numbers = cell.split([',', ' ', '\t']).filter(|part| !part.is_empty()).peekable();
    numbers.peek().is_some() && numbers.all(|part| part.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_its_value_in_every_form_that_fits() {
        use Form::*;
        let table: [(&str, &[(Form, f64)]); 18] = [
            ("12", &[(Plain, 12.0), (Comma, 12.0), (Thousands, 12.0)]),
            ("-3e2", &[(Plain, -300.0), (Comma, -300.0), (Thousands, -300.0)]),
            ("1.5", &[(Plain, 1.5), (Thousands, 1.5)]),
            ("1.234", &[(Plain, 1.234), (Comma, 1234.0), (Thousands, 1.234)]),
            ("0,5", &[(Comma, 0.5)]),
            ("-1.234.567,25", &[(Comma, -1_234_567.25)]),
            ("1,234", &[(Comma, 1.234), (Thousands, 1234.0)]),
            ("+1,234,567.5e-1", &[(Thousands, 123_456.75)]),
            ("0,123", &[(Comma, 0.123)]),
            ("1,23,456", &[]),
            ("TRUE", &[(Truth, 1.0)]),
            ("no", &[(Answer, 0.0)]),
            ("WAHR", &[(GermanTruth, 1.0)]),
            ("nein", &[(GermanAnswer, 0.0)]),
            ("inf", &[]),
            ("1e999", &[]),
            ("", &[]),
            ("1, 5", &[]),
        ];
        for (cell, values) in table {
            let found = Form::ALL.into_iter().filter_map(|f| f.value(cell).map(|v| (f, v)));
            assert_eq!(found.collect::<Vec<_>>(), values, "{cell}");
            let forms = values.iter().map(|(form, _)| *form).collect::<Vec<_>>();
            assert!(Forms::of(cell).are(&forms), "{cell}");
        }
    }
}

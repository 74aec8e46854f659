//! Dates and times as seconds since 1970, by the crate `chrono`.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

/// The formats that are tried, of which the first fits that fits all cells of a column.
pub(in crate::data) const FORMATS: [&str; 10] = [
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d",
    "%d.%m.%Y",
    "%d.%m.%Y %H:%M",
    "%m/%d/%Y",
    "%d/%m/%Y",
    "%m/%d/%Y %H:%M",
];

/// The seconds of a cell in this format. A date that is written otherwise (`1.2.2019` for `01.02.2019`) is none: it
/// could not be written again.
pub(in crate::data) fn seconds(cell: &str, format: &str) -> Option<f64> {
    let time = match format.contains("%H") {
        true => NaiveDateTime::parse_from_str(cell, format).ok()?,
        false => NaiveDate::parse_from_str(cell, format).ok()?.and_hms_opt(0, 0, 0)?,
    };
    (time.format(format).to_string() == cell).then(|| time.and_utc().timestamp() as f64)
}

/// The cell of so many seconds.
pub(in crate::data) fn text(seconds: f64, format: &str) -> String {
    let time = DateTime::from_timestamp(seconds.round() as i64, 0);
    time.map_or_else(String::new, |time| time.naive_utc().format(format).to_string())
}

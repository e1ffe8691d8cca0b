//! Days as `2026-11-21` in files.

use time::Date;
use time::macros::format_description;

time::serde::format_description!(iso, Date, "[year]-[month]-[day]");

pub(super) use iso::{deserialize, serialize};

/// `2026-11-21`.
pub(super) fn text(day: Date) -> String {
    day.format(format_description!("[year]-[month]-[day]")).unwrap_or_else(|_| day.to_string())
}

/// Reads `2026-11-21`.
pub(super) fn parse(text: &str) -> Option<Date> {
    Date::parse(text, format_description!("[year]-[month]-[day]")).ok()
}

//! Days as `2026-11-21` in files.

time::serde::format_description!(iso, Date, "[year]-[month]-[day]");

pub(super) use iso::serialize;

use time::Date;

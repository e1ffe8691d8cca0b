//! How an issuer's keys stand, as a picture of time.

use std::fmt::Write as _;

use time::OffsetDateTime;

use crate::cli::console::{Console, Tone};
use crate::cli::view::{Lines, date};
use crate::jwks::{KeyView, Phase, StatusView};

/// Columns of the picture.
const WIDTH: usize = 56;

/// What a key does at a moment.
const ANNOUNCED: char = '·';
const SIGNS: char = '━';
const RETIRED: char = '─';

/// So much of a kid tells keys apart.
const SHORT: usize = 12;

/// The whole of it: who signs, the windows, the keys in time, the dates.
pub(super) fn picture(console: Console, view: &StatusView) -> String {
    let mut lines = Lines::default();
    lines.add("issuer", view.issuer.clone());
    lines.add("keys", format!("{} in {}", view.certificate, view.vault));
    lines.add("now", date(view.now));
    lines.add("signs", signs(view));
    let windows = &view.windows;
    lines.add(
        "windows",
        format!(
            "rollover {} ≥ cache {} + client cache {} + margin {} = {}",
            windows.rollover, windows.cache, windows.client_cache, windows.margin, view.needed
        ),
    );
    let mut text = lines.text(console);
    let shown: Vec<&KeyView> = view.keys.iter().filter(|key| key.phase != Phase::Removed).collect();
    let _ = write!(text, "\n{}", drawn(console, view, &shown));
    let removed = view.keys.len() - shown.len();
    if removed > 0 {
        let _ = writeln!(text, "\n  {removed} more are not published: disabled, or expired with all that they signed");
    }
    for warning in &view.warnings {
        let _ = writeln!(text, "\n{} {warning}", console.paint(Tone::Warning, "warning:"));
    }
    text
}

fn signs(view: &StatusView) -> String {
    let Some(active) = view.keys.iter().find(|key| key.kid == view.active) else { return view.active.clone() };
    let mut text = format!("{} with {}", active.kid, active.alg.unwrap_or("nothing"));
    if view.bootstrap {
        text.push_str(", as the newest of a first time");
    }
    match (active.signs_until, &view.next) {
        (Some(until), Some(next)) => {
            let _ = write!(text, " until {}, then {next}", date(until));
        }
        (Some(until), None) => {
            let _ = write!(text, " until {}", date(until));
        }
        (None, _) => {}
    }
    text
}

fn drawn(console: Console, view: &StatusView, keys: &[&KeyView]) -> String {
    let starts = keys.iter().filter_map(|key| key.created_at);
    let ends = keys.iter().filter_map(|key| key.leaves_at.or(key.signs_until));
    let start = starts.min().unwrap_or(view.now).min(view.now);
    let end = ends.max().unwrap_or(view.now).max(view.now);
    let scale = Scale { start, end };
    let mut text = format!("  {:SHORT$}  {:9}  {}\n", "kid", "", scale.rule());
    for key in keys {
        let bar: String = (0..WIDTH).map(|column| sign_of(key, scale.at(column))).collect();
        let bar = with_now(&bar, scale.column(view.now));
        let (phase, tone) = match key.phase {
            Phase::Active => ("active", Tone::Good),
            Phase::Announced => ("announced", Tone::Strong),
            Phase::Retired => ("retired", Tone::Faint),
            Phase::Removed => ("removed", Tone::Faint),
        };
        let kid: String = key.kid.chars().take(SHORT).collect();
        let _ = writeln!(text, "  {kid}  {}  {bar}", console.paint(tone, &format!("{phase:9}")));
    }
    let legend = format!("{ANNOUNCED} published, does not sign   {SIGNS} signs   {RETIRED} signs no more   │ now");
    let _ = writeln!(text, "  {:SHORT$}  {:9}  {}\n", "", "", console.paint(Tone::Faint, &legend));
    let day = |at: Option<OffsetDateTime>| at.map_or_else(|| "-".to_owned(), date);
    let _ = writeln!(text, "  {:SHORT$}  {:20}  {:20}  {:20}  leaves", "kid", "published", "signs", "is spent");
    for key in keys {
        let kid: String = key.kid.chars().take(SHORT).collect();
        let (made, from, spent, leaves) =
            (day(key.created_at), day(key.signs_from), day(key.spent_at), day(key.leaves_at));
        let _ = writeln!(text, "  {kid}  {made:20}  {from:20}  {spent:20}  {leaves}");
    }
    text
}

fn sign_of(key: &KeyView, at: OffsetDateTime) -> char {
    let is_before = |moment: Option<OffsetDateTime>| moment.is_some_and(|moment| at < moment);
    if is_before(key.created_at) || key.leaves_at.is_some_and(|leaves| leaves <= at) {
        ' '
    } else if key.signs_from.is_none() || is_before(key.signs_from) {
        ANNOUNCED
    } else if key.signs_until.is_none_or(|until| at < until) && key.not_after.is_none_or(|end| at < end) {
        SIGNS
    } else {
        RETIRED
    }
}

fn with_now(bar: &str, now: usize) -> String {
    bar.chars().enumerate().map(|(column, sign)| if column == now { '│' } else { sign }).collect()
}

/// Time on a line.
#[derive(Clone, Copy, Debug)]
struct Scale {
    start: OffsetDateTime,
    end: OffsetDateTime,
}

impl Scale {
    /// The middle of a column.
    fn at(self, column: usize) -> OffsetDateTime {
        let share = (column as f64 + 0.5) / WIDTH as f64;
        self.start + (self.end - self.start) * share
    }

    fn column(self, moment: OffsetDateTime) -> usize {
        let whole = (self.end - self.start).as_seconds_f64().max(1.0);
        let share = (moment - self.start).as_seconds_f64() / whole;
        ((share * WIDTH as f64) as usize).min(WIDTH - 1)
    }

    /// The first and the last day.
    fn rule(self) -> String {
        let (start, end) = (self.start.date().to_string(), self.end.date().to_string());
        format!("{start}{end:>width$}", width = WIDTH - start.len())
    }
}

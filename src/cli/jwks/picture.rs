//! How an issuer's keys stand, as a picture of time.

use std::fmt::Write as _;

use time::macros::format_description;
use time::{OffsetDateTime, UtcOffset};

use crate::cli::console::{Console, Tone};
use crate::cli::view::{Lines, date};
use crate::jwks::{KeyView, Phase, StatusView};

/// What a key does at a moment.
const ANNOUNCED: char = '·';
const SIGNS: char = '━';
const RETIRED: char = '─';

/// Goes on beyond the picture.
const GOES_ON: char = '▸';

/// So much of a kid tells keys apart.
const SHORT: usize = 12;

/// Columns of a whole kid, of a phase, and of the dates with and without the time of day.
const KID: usize = 32;
const PHASE: usize = 9;
const MINUTE: usize = 16;
const DAY: usize = 10;

/// Fewer columns make no picture, and more make no better one.
const NARROWEST: usize = 24;
const WIDEST: usize = 84;

/// The whole of it: who signs, the windows, the keys in time, the dates.
pub(super) fn picture(console: Console, columns: usize, view: &StatusView) -> String {
    let mut lines = Lines::default();
    lines.add("issuer", view.issuer.clone());
    lines.add("keys", format!("{} in {}", view.certificate, view.vault));
    lines.add("now", date(view.now));
    lines.add("signs", signs(view));
    if let Some(next) = next(view) {
        lines.add("next", next);
    }
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
    text.push('\n');
    draw(&mut text, console, columns, view, &shown);
    tabulate(&mut text, columns, &shown);
    let removed = view.keys.len() - shown.len();
    if removed > 0 {
        let _ = writeln!(text, "\n  {removed} more are not published: disabled, or expired with all that they signed");
    }
    for warning in &view.warnings {
        let wrapped = textwrap::fill(warning, textwrap::Options::new(columns).initial_indent("         "));
        let _ = writeln!(text, "\n{} {}", console.paint(Tone::Warning, "warning:"), wrapped.trim_start());
    }
    text
}

fn signs(view: &StatusView) -> String {
    let active = view.keys.iter().find(|key| key.kid == view.active);
    let algorithm = active.and_then(|active| active.alg).unwrap_or("nothing");
    let bootstrap = if view.bootstrap { ", as the newest of a first time" } else { "" };
    format!("{} with {algorithm}{bootstrap}", view.active)
}

fn next(view: &StatusView) -> Option<String> {
    let next = view.next.as_ref()?;
    let from = view.keys.iter().find(|key| key.kid == *next)?.signs_from?;
    Some(format!("{next} from {}", date(from)))
}

fn draw(text: &mut String, console: Console, columns: usize, view: &StatusView, keys: &[&KeyView]) {
    let width = columns.saturating_sub(2 + SHORT + 2 + PHASE + 2).clamp(NARROWEST, WIDEST);
    let scale = Scale::around(view, keys, width);
    let _ = writeln!(text, "  {:SHORT$}  {:PHASE$}  {}", "kid", "", scale.rule());
    for key in keys {
        let mut bar: Vec<char> = (0..width).map(|column| sign_of(key, scale.at(column))).collect();
        if let Some(last) = bar.last_mut().filter(|last| **last != ' ')
            && key.leaves_at.is_none_or(|leaves| scale.end < leaves)
        {
            *last = GOES_ON;
        }
        bar[scale.column(view.now)] = '│';
        let (phase, tone) = match key.phase {
            Phase::Active => ("active", Tone::Good),
            Phase::Announced => ("announced", Tone::Strong),
            Phase::Retired => ("retired", Tone::Faint),
            Phase::Removed => ("removed", Tone::Faint),
        };
        let phase = console.paint(tone, &format!("{phase:PHASE$}"));
        let bar = String::from_iter(bar);
        let _ = writeln!(text, "  {:SHORT$}  {phase}  {}", short(key, SHORT), bar.trim_end());
    }
    let legend = format!("{ANNOUNCED} published   {SIGNS} signs   {RETIRED} signs no more   {GOES_ON} goes on   │ now");
    let _ = writeln!(text, "  {}\n", console.paint(Tone::Faint, &legend));
}

/// The dates, as exactly as there is room for.
fn tabulate(text: &mut String, columns: usize, keys: &[&KeyView]) {
    let fits = |kid: usize, date: usize| 2 + kid + 4 * (2 + date) <= columns;
    let date = if fits(SHORT, MINUTE) { MINUTE } else { DAY };
    let kid = if fits(KID, date) { KID } else { SHORT };
    let cell = |at: Option<OffsetDateTime>| at.map_or_else(|| "-".to_owned(), |at| moment(at, date));
    let _ = writeln!(
        text,
        "  {:kid$}  {:date$}  {:date$}  {:date$}  leaves (UTC)",
        "kid", "published", "signs from", "is spent"
    );
    for key in keys {
        let _ = writeln!(
            text,
            "  {:kid$}  {:date$}  {:date$}  {:date$}  {}",
            short(key, kid),
            cell(key.created_at),
            cell(key.signs_from),
            cell(key.spent_at),
            cell(key.leaves_at)
        );
    }
}

fn short(key: &KeyView, most: usize) -> String {
    key.kid.chars().take(most).collect()
}

fn moment(at: OffsetDateTime, columns: usize) -> String {
    let text = at.to_offset(UtcOffset::UTC).format(format_description!("[year]-[month]-[day] [hour]:[minute]"));
    text.unwrap_or_default().chars().take(columns).collect()
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

/// Time on a line.
#[derive(Clone, Copy, Debug)]
struct Scale {
    start: OffsetDateTime,
    end: OffsetDateTime,
    width: usize,
}

impl Scale {
    /// Two rollovers to both sides of the present, so that one can be seen, and not the years of a
    /// certificate; no more than there is to see.
    fn around(view: &StatusView, keys: &[&KeyView], width: usize) -> Self {
        let span = view.windows.rollover.max(view.needed).duration() * 2;
        let first = keys.iter().filter_map(|key| key.created_at).min().unwrap_or(view.now);
        let last = keys.iter().filter_map(|key| key.leaves_at.or(key.signs_until)).max().unwrap_or(view.now);
        let start = first.max(view.now.saturating_sub(span)).min(view.now);
        let end = last.min(view.now.saturating_add(span)).max(view.now);
        Self { start, end, width }
    }

    /// The middle of a column.
    fn at(self, column: usize) -> OffsetDateTime {
        let share = (column as f64 + 0.5) / self.width as f64;
        self.start + (self.end - self.start) * share
    }

    fn column(self, moment: OffsetDateTime) -> usize {
        let whole = (self.end - self.start).as_seconds_f64().max(1.0);
        let share = (moment - self.start).as_seconds_f64() / whole;
        ((share * self.width as f64) as usize).min(self.width - 1)
    }

    /// The first and the last day.
    fn rule(self) -> String {
        let (start, end) = (moment(self.start, DAY), moment(self.end, DAY));
        format!("{start}{end:>width$}", width = self.width - DAY)
    }
}

#[cfg(test)]
mod tests {
    use time::Duration;
    use time::macros::datetime;

    use super::*;
    use crate::domain::Environment;
    use crate::jwks::{Span, WindowSettings};

    const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

    fn key(number: u8, phase: Phase, made: i64, signs: i64, until: Option<i64>) -> KeyView {
        let day = |days| NOW + Duration::days(days);
        let end = day(made + 365);
        KeyView {
            kid: format!("{number:032x}"),
            phase,
            enabled: true,
            alg: Some("RS256"),
            created_at: Some(day(made)),
            signs_from: Some(day(signs)),
            signs_until: until.map(day),
            spent_at: Some(until.map_or(end, day)),
            not_after: Some(end),
            leaves_at: Some(end + Duration::hours(1)),
            promoted_at: None,
        }
    }

    fn view() -> StatusView {
        let keys = vec![key(2, Phase::Announced, -4, 10, None), key(1, Phase::Active, -60, -46, Some(10))];
        StatusView {
            issuer: "https://tokens.contoso.example".to_owned(),
            vault: "https://contoso-kv.vault.azure.net/".to_owned(),
            certificate: "signer".to_owned(),
            now: NOW,
            read_at: NOW,
            windows: WindowSettings::default(),
            needed: Span::hours(49),
            bootstrap: false,
            active: keys[1].kid.clone(),
            next: Some(keys[0].kid.clone()),
            changes_at: None,
            keys,
            warnings: vec!["something that somebody should see to, ".repeat(4).trim_end().to_owned()],
        }
    }

    fn drawn(columns: usize) -> String {
        let environment: Environment = [("NO_COLOR".to_owned(), "1".to_owned())].into_iter().collect();
        picture(Console::new(None, true, false, &environment), columns, &view())
    }

    #[test]
    fn a_rollover_of_two_weeks_is_a_quarter_of_the_picture() {
        let text = drawn(27 + 56);
        let bars: Vec<&str> = text.lines().filter(|line| line.contains('│') && line.contains("00000")).collect();
        let bar = |line: &str| line.chars().skip(27).collect::<String>();
        assert_eq!(bar(bars[0]), "                        ····│·········━━━━━━━━━━━━━━━━━▸");
        assert_eq!(bar(bars[1]), "━━━━━━━━━━━━━━━━━━━━━━━━━━━━│━━━━━━━━━─────────────────▸");
        assert!(text.contains("2026-10-25                                    2026-12-20"), "{text}");
    }

    #[test]
    fn every_line_fits_the_terminal() {
        for columns in [80, 100, 120, 200] {
            let text = drawn(columns);
            let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(longest <= columns, "{longest} of {columns}\n{text}");
        }
        assert!(drawn(80).contains("000000000000  2026-11-18  2026-12-02"), "{}", drawn(80));
        assert!(drawn(120).contains(&format!("{:032x}  2026-11-18 12:00  2026-12-02 12:00", 2)), "{}", drawn(120));
    }
}

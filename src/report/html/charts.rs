//! Charts, as SVG within the page. Every number of a chart also stands in text beside or within it.

use std::fmt::Write as _;

use time::{Duration, OffsetDateTime};

use super::text::grouped;
use crate::audit::summary::CustodyCounts;
use crate::audit::{Summary, summary};
use crate::inventory::Count;

/// How much was read, as one bar.
pub(super) fn coverage(total: &Count) -> String {
    let whole = total.expected.max(total.read + total.denied + total.throttled + total.failed).max(1) as f64;
    let mut out = String::from("<svg class=\"covered\" height=\"12\" role=\"img\" aria-label=\"Coverage\">");
    let mut x = 0.0;
    for (class, number) in
        [("read", total.read), ("denied", total.denied), ("throttled", total.throttled), ("failed", total.failed)]
    {
        // What there is at all can be seen, however little it is of the whole.
        let width = if number == 0 { 0.0 } else { (number as f64 * 100.0 / whole).max(0.6) };
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{x:.2}%\" width=\"{width:.2}%\" height=\"12\"><title>{} {class}</title></rect>",
            grouped(number)
        );
        x += width;
    }
    out.push_str("</svg>");
    out
}

/// What the words for custody mean.
const CUSTODY: &[(&str, &str, &str)] = &[
    ("hsm", "HSM", "in an HSM, cannot leave it"),
    ("nonexportable", "Non-exportable", "in a vault, cannot leave it"),
    ("indeterminate", "Indeterminate", "in a vault; whether it can leave does not show"),
    ("unverified", "Unverified", "what would tell was not read"),
    ("foreign", "Foreign", "in no vault there is"),
    ("imported", "Imported", "in a vault, and elsewhere before"),
    ("exportable", "Exportable", "in a vault, can be read from it"),
    ("secret", "Secret", "shared by its nature"),
];

/// In whose hands the credentials are, as a ring with its legend.
pub(super) fn custody(counts: &CustodyCounts) -> String {
    const RADIUS: f64 = 62.0;
    let total: u64 = counts.all().iter().map(|(_, number)| number).sum();
    let around = std::f64::consts::TAU * RADIUS;
    let mut out = String::from(
        "<figcaption><h3>Who holds the keys</h3><p class=\"quiet\">Credentials that open a sign-in now</p></figcaption>\
         <div class=\"ring\"><svg viewBox=\"0 0 160 160\" width=\"160\" height=\"160\" role=\"img\" aria-label=\"Custody\">\
         <circle class=\"track\" cx=\"80\" cy=\"80\" r=\"62\"/><g transform=\"rotate(-90 80 80)\">",
    );
    let mut start = 0.0;
    for (name, number) in counts.all() {
        if number == 0 {
            continue;
        }
        let length = around * number as f64 / total as f64;
        let gap = if number == total { 0.0 } else { 2.0_f64.min(length / 2.0) };
        let _ = write!(
            out,
            "<circle class=\"c-{name}\" cx=\"80\" cy=\"80\" r=\"62\" stroke-dasharray=\"{:.2} {:.2}\" \
             stroke-dashoffset=\"{:.2}\"><title>{} {name}</title></circle>",
            length - gap,
            around - length + gap,
            -start,
            grouped(number)
        );
        start += length;
    }
    let _ = write!(
        out,
        "</g><text class=\"sum\" x=\"80\" y=\"82\">{}</text><text class=\"of\" x=\"80\" y=\"100\">credentials</text></svg>\
         <ul class=\"custodies\">",
        grouped(total)
    );
    for (name, label, meaning) in CUSTODY {
        let number = counts.all().iter().find(|(known, _)| known == name).map_or(0, |(_, number)| *number);
        let none = if number == 0 { " none" } else { "" };
        let _ = write!(
            out,
            "<li class=\"c-{name}{none}\"><span class=\"dot\"></span><span>{label} <span class=\"quiet\">{meaning}</span>\
             </span><b>{}</b></li>",
            grouped(number)
        );
    }
    out.push_str("</ul></div>");
    out
}

/// When credentials end: a bar for what has ended, one for each week of a year, one for all that is later.
pub(super) fn expiry(summary: &Summary, now: OffsetDateTime) -> String {
    const HEIGHT: f64 = 132.0;
    const STEP: f64 = 100.0 / 55.0;
    let expiry = &summary.expiry;
    let later = expiry.later + expiry.never;
    let sums = expiry.weeks.iter().map(|week| week.succeeded + week.alone);
    // The year after the next would dwarf the weeks that matter; its bar is cut, its number is not.
    let highest = sums.chain([expiry.overdue]).max().unwrap_or(0).max(3) as f64;
    let mut out = String::from(
        "<figcaption><h3>When they end</h3><p class=\"quiet\">By week; \
         <span class=\"key alone\">soon, nothing succeeds them</span> <span class=\"key waiting\">later, no successor yet</span> \
         <span class=\"key succeeded\">a successor is there</span></p>\
         </figcaption><svg class=\"weeks\" height=\"172\" role=\"img\" aria-label=\"Expiry by week\">",
    );
    let mut bar = |slot: f64, from: u64, number: u64, class: &str, title: &str| {
        if number == 0 {
            return;
        }
        let height = (number as f64 * HEIGHT / highest).clamp(3.0, HEIGHT);
        let below = (from as f64 * HEIGHT / highest).min(HEIGHT);
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{:.2}%\" width=\"{:.2}%\" y=\"{:.1}\" height=\"{height:.1}\" rx=\"1.5\">\
             <title>{title}</title></rect>",
            slot * STEP + 0.15,
            STEP - 0.3,
            (HEIGHT + 14.0 - below - height).max(0.0),
        );
    };
    bar(0.0, 0, expiry.overdue, "overdue", &format!("{} ended and still registered", grouped(expiry.overdue)));
    for (week, count) in expiry.weeks.iter().enumerate() {
        let day = (now + Duration::weeks(week as i64)).date();
        let slot = week as f64 + 1.5;
        let alone = format!("week of {day}: {} with no successor", grouped(count.alone));
        let is_soon = week * 7 <= summary.expiring_days as usize;
        bar(slot, 0, count.alone, if is_soon { "alone" } else { "waiting" }, &alone);
        let succeeded = format!("week of {day}: {} with a successor", grouped(count.succeeded));
        bar(slot, count.alone, count.succeeded, "succeeded", &succeeded);
    }
    bar(
        54.0,
        0,
        later,
        "later",
        &format!("{} in a year or later, {} of them never", grouped(later), grouped(expiry.never)),
    );
    let _ = write!(out, "<line class=\"axis\" x1=\"0\" x2=\"100%\" y1=\"146.5\" y2=\"146.5\"/>");
    for month in 1..12_u8 {
        let day = first_of_month(now, month);
        let weeks = (day - now).whole_hours() as f64 / 168.0;
        if weeks < 51.0 {
            let x = (weeks + 1.5) * STEP;
            let class = if month % 2 == 0 { " class=\"odd\"" } else { "" };
            let _ = write!(
                out,
                "<g{class}><line class=\"tick\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"147\" y2=\"151\"/>\
                 <text x=\"{x:.2}%\" y=\"164\">{}</text></g>",
                &day.month().to_string()[..3]
            );
        }
    }
    let _ = write!(
        out,
        "<text class=\"edge\" x=\"0\" y=\"10\">{} overdue</text><text class=\"edge right\" x=\"100%\" y=\"10\">{} later</text></svg>",
        grouped(expiry.overdue),
        grouped(later)
    );
    let within = |weeks: usize| {
        expiry.weeks.iter().take(weeks).fold(summary::Week::default(), |sum, week| summary::Week {
            succeeded: sum.succeeded + week.succeeded,
            alone: sum.alone + week.alone,
        })
    };
    let (soon, year) = (within(4), within(52));
    let _ = write!(
        out,
        "<p class=\"quiet\">Within four weeks {}, {} of them with a successor; within a year {}.</p>",
        grouped(soon.alone + soon.succeeded),
        grouped(soon.succeeded),
        grouped(year.alone + year.succeeded)
    );
    out
}

/// The first day of the month that begins `ahead` months after the current one.
fn first_of_month(now: OffsetDateTime, ahead: u8) -> OffsetDateTime {
    let mut day = now;
    for _ in 0..ahead {
        let next = day.replace_day(28).unwrap_or(day) + Duration::days(4);
        day = next.replace_day(1).unwrap_or(next);
    }
    day
}

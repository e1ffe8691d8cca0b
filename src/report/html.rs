//! The report as one static HTML file that needs no network.
//!
//! What matters most is plain HTML and SVG and is there without scripts. A script that is part of the
//! file makes the tables: it reads the findings from a block of data and puts every text into the page
//! as text, never as markup. The policy of the page allows that script, that style and nothing else,
//! so that a name which slips through all that still finds nothing to run or to load.

mod charts;
mod data;
mod lists;
mod page;
mod text;

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::Digest as _;
use sha2::Sha256;

use super::Options;
use crate::audit::Report;

/// The page, with a place for each fragment: `{{name}}`.
const PAGE: &str = include_str!("html/page.html");
const STYLE: &str = include_str!("html/report.css");
const SCRIPT: &str = concat!(
    include_str!("html/core.js"),
    include_str!("html/findings.js"),
    include_str!("html/application.js"),
    include_str!("html/main.js"),
);

/// Writes a report as HTML.
pub(super) fn write(report: &Report, _: &Options, out: &mut dyn io::Write) -> io::Result<()> {
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        out.write_all(before.as_bytes())?;
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        fragment(name, report, out)?;
        rest = after;
    }
    out.write_all(rest.as_bytes())
}

fn fragment(name: &str, report: &Report, out: &mut dyn io::Write) -> io::Result<()> {
    match name {
        "policy" => write!(out, "{}", security_policy()),
        "style" => out.write_all(STYLE.as_bytes()),
        "script" => out.write_all(SCRIPT.as_bytes()),
        "data" => data::write(report, out),
        _ => out.write_all(page::fragment(name, report).as_bytes()),
    }
}

/// What the page may do: run its own script, use its own style, and nothing else. The second half
/// makes a browser refuse to take text for markup, whatever the script tries.
fn security_policy() -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; \
         form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
}

#[cfg(test)]
#[path = "html/tests.rs"]
mod tests;

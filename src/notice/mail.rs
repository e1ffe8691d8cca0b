//! Mails of a vault to its contacts: as they came, or forwarded, in any encoding that mail programs use.
//!
//! Whoever can write to a mailbox can write such a mail. It is read with bounds on its length, its parts
//! and its nesting, and nothing of it is believed.

use mail_parser::{HeaderName, Message, MessageParser, MessagePart, MimeHeaders as _, PartType};

use super::error::Error;
use super::facts::Facts;
use super::html;
use super::{MOST_BYTES, Notice};
use crate::domain::Cloud;

/// Parts that one mail may have, with those of the mails within it.
const MOST_PARTS: usize = 64;
/// Mails within one another.
const MOST_MESSAGES: usize = 6;
/// Headers that begin a part, counted before anything is taken apart.
const MOST_CONTENT_TYPES: usize = 100;

/// Reads what a mail claims about a certificate.
pub fn read(bytes: &[u8], cloud: &Cloud) -> Result<Notice, Error> {
    if bytes.len() > MOST_BYTES {
        return Err(Error::TooLong { limit: MOST_BYTES });
    }
    refuse_overbuilt(bytes)?;
    let message = MessageParser::default().parse(bytes).ok_or(Error::NotMail("it has no header"))?;
    if [HeaderName::From, HeaderName::Date].into_iter().any(|name| message.header_raw(name).is_none()) {
        return Err(Error::NotMail("every mail has From and Date (RFC 5322, 3.6)"));
    }
    let mut facts = Facts::default();
    let mut parts = 0;
    // Mails within mails are taken apart one after the other, not one within the other: depth costs no stack.
    let mut waiting = vec![message];
    let mut messages = 0;
    let mut outcome = Ok(());
    while let Some(message) = waiting.pop() {
        messages += 1;
        if outcome.is_ok() && messages > MOST_MESSAGES {
            outcome = Err(Error::Overbuilt("mails within mails within mails"));
        }
        if outcome.is_ok() {
            outcome = refuse_cut_off(&message);
        }
        for part in message.parts {
            parts += 1;
            if outcome.is_ok() && parts > MOST_PARTS {
                outcome = Err(Error::Overbuilt("too many parts"));
            }
            if outcome.is_ok() {
                outcome = read_part(&part, &mut facts, cloud);
            }
            if let PartType::Message(inner) = part.body {
                waiting.push(inner);
            }
        }
    }
    outcome?;
    facts.notice()
}

fn read_part(part: &MessagePart<'_>, facts: &mut Facts, cloud: &Cloud) -> Result<(), Error> {
    let is_attachment = part.content_disposition().is_some_and(|disposition| disposition.is_attachment());
    if is_attachment {
        return Ok(());
    }
    match &part.body {
        PartType::Text(_) | PartType::Html(_) if part.is_encoding_problem => {
            Err(Error::CutOff("the encoding of its text is damaged"))
        }
        PartType::Text(text) => facts.add(text, &[], cloud),
        PartType::Html(text) => {
            let shown = html::shown(text);
            facts.add(&shown.text, &shown.links, cloud)
        }
        _ => Ok(()),
    }
}

/// What exhausts a parser, found before one is let loose on it. A mail within a mail must not be encoded
/// (RFC 2046, 5.2.1): that is how deep nests are hidden.
fn refuse_overbuilt(bytes: &[u8]) -> Result<(), Error> {
    let text = String::from_utf8_lossy(bytes).to_ascii_lowercase().replace("\r\n", "\n");
    if text.matches("content-type").count() > MOST_CONTENT_TYPES {
        return Err(Error::Overbuilt("too many parts"));
    }
    if text.contains("multipart/digest") {
        return Err(Error::Overbuilt("a digest of mails"));
    }
    for headers in text.split("\n\n") {
        // One header a line, without blanks.
        let unfolded = headers.replace("\n ", "").replace("\n\t", "");
        let lines: Vec<String> = unfolded.lines().map(|line| line.split_whitespace().collect()).collect();
        let has = |name: &str, values: &[&str]| {
            let mut values_of = lines.iter().filter_map(|line| line.strip_prefix(name));
            values_of.any(|value| values.iter().any(|wanted| value.contains(wanted)))
        };
        let is_encoded = has("content-transfer-encoding:", &["base64", "quoted-printable"]);
        if is_encoded && has("content-type:", &["rfc822", "message", "global"]) {
            return Err(Error::Overbuilt("a mail within it that is encoded once more"));
        }
    }
    Ok(())
}

/// A mail whose last part is not closed is not whole.
fn refuse_cut_off(message: &Message<'_>) -> Result<(), Error> {
    let raw = message.raw_message();
    for part in &message.parts {
        let boundary = part
            .content_type()
            .filter(|kind| kind.ctype().eq_ignore_ascii_case("multipart"))
            .and_then(|kind| kind.attribute("boundary"));
        let Some(boundary) = boundary else { continue };
        let closing = format!("--{boundary}--");
        if !raw.windows(closing.len()).any(|window| window == closing.as_bytes()) {
            return Err(Error::CutOff("its last part has no end"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::Thumbprint;

    const THUMBPRINT: &str = "4D3C2B1A00F1E2D3C4B5A69788796A5B4C3D2E1F";

    fn fixtures(folder: &str) -> Vec<(String, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notices").join(folder);
        let mut mails: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect();
        mails.sort();
        mails
    }

    #[test]
    fn every_form_of_the_mail_says_the_same() {
        let mails = fixtures("good");
        assert!(mails.len() >= 12);
        for (file, mail) in mails {
            let notice = read(&mail, &Cloud::public()).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert_eq!((notice.vault.as_str(), notice.certificate.as_str()), ("contoso-kv", "billing"), "{file}");
            assert!(notice.thumbprints.contains(&THUMBPRINT.parse().unwrap()), "{file}");
            let subscription = notice.subscription.map(|id| id.to_string());
            assert_eq!(subscription.as_deref(), Some("8fb6b6a1-2c3d-4e5f-8a9b-0c1d2e3f4a5b"), "{file}");
            assert_eq!(notice.kind, crate::notice::Kind::Mail);
        }
    }

    #[test]
    fn a_mail_that_is_none_of_them_is_refused_for_its_own_reason() {
        let mut reasons = String::new();
        for (file, mail) in fixtures("bad") {
            let error = read(&mail, &Cloud::public()).expect_err(&file);
            reasons.push_str(&format!("{file}: {error}\n"));
        }
        insta::assert_snapshot!(reasons, @r"
        damaged-base64.eml: it is cut off: the encoding of its text is damaged
        encoded-mail-within.eml: it is nested or packed as no mail program does: a mail within it that is encoded once more
        foreign-alphabet-in-the-host.eml: it points to `contoso-kv.vault.\u{430}zure.net`, which is no vault of cloud public: its vaults are NAME.vault.azure.net
        foreign-alphabet-in-the-name.eml: its vault name `cont\u{43e}so-kv` is spelled with letters that only look right
        forms-that-disagree.eml: it names more than one certificate: billing and payroll
        half-a-thumbprint.eml: its thumbprint `4D3C2B1A00F1E2D3C4B5A69788796A5` is none: a thumbprint has 40 hex digits
        host-behind-the-suffix.eml: it points to `contoso-kv.vault.azure.net.evil.example`, which is no vault of cloud public: its vaults are NAME.vault.azure.net
        invisible-letter-in-the-name.eml: its certificate name `bill\u{200b}ing` is spelled with letters that only look right
        mails-within-mails.eml: it is nested or packed as no mail program does: mails within mails within mails
        many-parts.eml: it is nested or packed as no mail program does: too many parts
        no-end-of-the-last-part.eml: it is cut off: its last part has no end
        no-headers.eml: it is no mail: every mail has From and Date (RFC 5322, 3.6)
        no-mail.eml: it is no mail: every mail has From and Date (RFC 5322, 3.6)
        no-thumbprint.eml: it names no thumbprint
        no-vault.eml: it names no vault
        punycode-host.eml: it points to `contoso-kv.vault.xn--zure-53d.net`, which is no vault of cloud public: its vaults are NAME.vault.azure.net
        three-thumbprints.eml: it names more than one pair of an old and a new thumbprint: 4332211009F8E7D6C5B4A39281706F5E4D3C2B1A and 4D3C2B1A00F1E2D3C4B5A69788796A5B4C3D2E1F
        two-vaults.eml: it names more than one vault: contoso-kv and fabrikam-kv
        ");
    }

    #[test]
    fn forged_mails_are_well_formed_so_that_only_the_vault_can_tell() {
        for (file, mail) in fixtures("forged") {
            read(&mail, &Cloud::public()).unwrap_or_else(|error| panic!("{file}: {error}"));
        }
    }

    #[test]
    fn an_address_of_the_version_is_taken_apart() {
        let mail = format!(
            "From: a@b\nDate: Fri, 20 Nov 2026 06:14:09 +0000\n\nThumbprint: {THUMBPRINT}\n\
             https://contoso-kv.vault.azure.net/certificates/billing/0123456789abcdef0123456789abcdef\n"
        );
        let notice = read(mail.as_bytes(), &Cloud::public()).unwrap();
        assert_eq!(notice.certificate.as_str(), "billing");
        assert_eq!(notice.version.unwrap().as_str(), "0123456789abcdef0123456789abcdef");
        assert_eq!(notice.thumbprints, [THUMBPRINT.parse::<Thumbprint>().unwrap()]);
        assert!(read(mail.as_bytes(), &Cloud::china()).is_err());
    }

    #[test]
    fn nobody_reads_more_than_a_megabyte_or_deeper_than_a_few_mails() {
        let long = [b"From: a@b\nDate: x\n\n".as_slice(), &vec![b'x'; MOST_BYTES]].concat();
        assert!(matches!(read(&long, &Cloud::public()), Err(Error::TooLong { .. })));
        let nest = |count: usize| "Content-Type: message/rfc822\n\n".repeat(count);
        let deep = format!("From: a@b\nDate: x\n{}", nest(30_000));
        assert!(matches!(read(deep.as_bytes(), &Cloud::public()), Err(Error::Overbuilt(_))));
        let shallow = format!("From: a@b\nDate: x\n{}", nest(90));
        assert!(matches!(read(shallow.as_bytes(), &Cloud::public()), Err(Error::Overbuilt(_))));
        // What one of our own kind of parser would take quadratic time for.
        for piece in ["<a \">\" ", "&", "<", "<!--", "--x\n", "Key Vault name:\n", "=\n"] {
            let filler = piece.repeat(MOST_BYTES / 2 / piece.len());
            let mail = format!("From: a@b\nDate: x\nContent-Type: text/html\n\n{filler}");
            assert!(read(mail.as_bytes(), &Cloud::public()).is_err(), "{piece}");
        }
    }

    #[test]
    fn what_an_html_mail_hides_or_points_to_is_held_against_what_it_shows() {
        let mail = |more: &str| {
            let html = format!(
                "<p>Key Vault name: contoso-kv<br>Certificate name: billing<br>Thumbprint: {THUMBPRINT}</p>{more}"
            );
            let headers = "From: a@b\nDate: Fri, 20 Nov 2026 06:14:09 +0000\nContent-Type: text/html\n\n";
            read(format!("{headers}{html}\n").as_bytes(), &Cloud::public())
        };
        assert_eq!(mail("").unwrap().certificate.as_str(), "billing");
        let hidden = mail("<div style=\"display:none\">Certificate name: payroll</div>").unwrap_err();
        assert!(hidden.to_string().contains("payroll"), "{hidden}");
        let link = "<a href='https://contoso-kv.vault.azure.net.evil.example/certificates/billing'>\
            https://contoso-kv.vault.azure.net/certificates/billing</a>";
        let elsewhere = mail(link).unwrap_err();
        assert!(elsewhere.to_string().contains("evil.example"), "{elsewhere}");
        let fine = link.replace(".evil.example", "");
        assert_eq!(mail(&fine).unwrap().vault.as_str(), "contoso-kv");
    }

    proptest! {
        #[test]
        fn a_mail_may_end_anywhere_and_nothing_panics(which: prop::sample::Index, end: prop::sample::Index) {
            let all: Vec<_> = ["good", "bad", "forged"].into_iter().flat_map(fixtures).collect();
            let (_, mail) = which.get(&all);
            let _ = read(&mail[..end.index(mail.len() + 1)], &Cloud::public());
        }

        #[test]
        fn a_mail_may_have_any_bytes_anywhere_and_nothing_panics(
            which: prop::sample::Index,
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        ) {
            let all: Vec<_> = ["good", "bad", "forged"].into_iter().flat_map(fixtures).collect();
            let mut mail = which.get(&all).1.clone();
            for (at, byte) in changes {
                let at = at.index(mail.len());
                mail[at] = byte;
            }
            let _ = read(&mail, &Cloud::public());
        }

        #[test]
        fn any_text_of_the_right_words_is_read_to_its_end(
            text in "(From: a@b\n|Date: x\n|Content-Type: |multipart/mixed; boundary=b\n|message/rfc822\n|text/html\n|\
                     Content-Transfer-Encoding: base64\n|--b\n|--b--\n|\n|x: y\n| |Key Vault name: |ä|<p>){0,40}"
        ) {
            let _ = read(text.as_bytes(), &Cloud::public());
        }
    }
}

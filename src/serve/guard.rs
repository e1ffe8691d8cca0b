//! Who is let in: a pure decision on the head of a request.

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode, Uri};

use super::door::{Door, KeyAt};
use super::host::Hosts;
use super::key::RunKey;
use super::problem::Problem;

/// Our own header for the run key; `Authorization` may be taken by the tool that calls.
const KEY_HEADER: &str = "x-kvops-key";

/// Content types that a page of another site can send without asking first.
/// <https://fetch.spec.whatwg.org/#cors-safelisted-request-header>
const FORMS: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/// What is checked before anything else is done with a request.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) hosts: Hosts,
    /// None only where the caller of this module has chosen to let in everybody on this machine.
    pub(super) key: Option<RunKey>,
    pub(super) doors: &'static [Door],
}

impl Guard {
    /// Lets a request in, or says which rule it breaks. The key comes last, so that a page of another
    /// site learns nothing about it.
    pub(super) fn admit(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        self.check_host(uri, headers)?;
        self.check_site(headers)?;
        let door = Door::of(self.doors, uri.path());
        check_form(door, headers)?;
        self.check_key(door, uri, headers)
    }

    fn check_host(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let is_admitted = host.is_some_and(|host| self.hosts.admit(host))
            && hosts.next().is_none()
            && uri.authority().is_none_or(|authority| self.hosts.admit(authority.as_str()));
        if is_admitted {
            return Ok(());
        }
        Err(Problem::refused(StatusCode::FORBIDDEN, "host", "this server is not called by that name")
            .hint("use the address that it printed when it started"))
    }

    fn check_site(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let is_own =
            |origin: &axum::http::HeaderValue| origin.to_str().is_ok_and(|origin| self.hosts.is_own_origin(origin));
        if !headers.get_all(ORIGIN).iter().all(is_own) {
            return Err(Problem::refused(StatusCode::FORBIDDEN, "origin", "pages of other sites may not ask"));
        }
        // `none` is the user's own doing: an address typed, a bookmark.
        let site_is_ours = |site: &axum::http::HeaderValue| matches!(site.as_bytes(), b"same-origin" | b"none");
        if !headers.get_all("sec-fetch-site").iter().all(site_is_ours) {
            return Err(Problem::refused(StatusCode::FORBIDDEN, "fetch-site", "pages of other sites may not ask"));
        }
        Ok(())
    }

    fn check_key(&self, door: &Door, uri: &Uri, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(key) = &self.key else { return Ok(()) };
        let in_header = |name: &str| headers.get(name).is_some_and(|shown| key.matches(shown.as_bytes()));
        let is_shown = match door.key {
            KeyAt::Nowhere => true,
            KeyAt::Header => false,
            KeyAt::Named(name) => in_header(name),
            KeyAt::Segment(number) => {
                let segment = uri.path().split('/').skip(1).nth(number);
                segment.is_some_and(|shown| key.matches_in_address(shown.as_bytes()))
            }
        };
        if is_shown || in_header(KEY_HEADER) || bearer(headers).is_some_and(|shown| key.matches(shown)) {
            return Ok(());
        }
        Err(Problem::refused(StatusCode::UNAUTHORIZED, "run-key", "the key of this run is missing or wrong")
            .hint("send the key that was printed at the start as `Authorization: Bearer KEY` or `X-Kvops-Key: KEY`"))
    }
}

fn check_form(door: &Door, headers: &HeaderMap) -> Result<(), Problem> {
    let is_form = |value: &axum::http::HeaderValue| {
        let essence = value.to_str().unwrap_or_default().split([';', ',']).next().unwrap_or_default().trim();
        FORMS.iter().any(|form| form.eq_ignore_ascii_case(essence))
    };
    if !headers.get_all(CONTENT_TYPE).iter().any(is_form) {
        return Ok(());
    }
    let has = |(name, value): (&str, &str)| {
        headers.get(name).is_some_and(|sent| value.is_empty() || sent.as_bytes().eq_ignore_ascii_case(value.as_bytes()))
    };
    if door.form_with.is_some_and(has) {
        return Ok(());
    }
    Err(Problem::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "form", "forms are not taken here")
        .hint("send JSON with `Content-Type: application/json`"))
}

/// The token of `Authorization: Bearer`, where there is exactly one.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().filter(|_| values.next().is_none())?.as_bytes();
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderName;

    use super::*;

    const DOORS: &[Door] = &[
        Door::open("/healthz"),
        Door { path: "/identity", key: KeyAt::Named("x-identity-header"), form_with: Some(("metadata", "true")) },
        Door { path: "/msi", key: KeyAt::Segment(1), form_with: Some(("metadata", "true")) },
    ];

    fn guard() -> Guard {
        let key = Some(RunKey::from_bytes([7; 32]));
        Guard { hosts: Hosts::loopback(5616, &[]), key, doors: DOORS }
    }

    fn key() -> String {
        RunKey::from_bytes([7; 32]).text().expose().clone()
    }

    /// The rule that a request breaks; none when it is let in.
    fn rule(path: &str, headers: &[(&str, &str)]) -> Option<&'static str> {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::try_from(*name).unwrap(), value.parse().unwrap()))
            .collect();
        guard().admit(&path.parse().unwrap(), &headers).err().map(|problem| problem.rule().unwrap())
    }

    const HOST: (&str, &str) = ("host", "localhost:5616");

    #[test]
    fn the_key_is_taken_from_either_header_and_from_nowhere_else() {
        let (key, bearer) = (key(), format!("bearer {}", key()));
        assert_eq!(rule("/api", &[HOST, ("authorization", &bearer)]), None);
        assert_eq!(rule("/api", &[HOST, ("x-kvops-key", &key)]), None);
        let query = format!("/api?key={key}&access_token={key}");
        for headers in [
            vec![],
            vec![("authorization", key.as_str())],
            vec![("authorization", "Bearer ")],
            vec![("authorization", "Basic Og==")],
            vec![("x-kvops-key", "")],
            vec![("cookie", key.as_str())],
            vec![("x-identity-header", key.as_str())],
        ] {
            let headers = [vec![HOST], headers].concat();
            assert_eq!(rule(&query, &headers), Some("run-key"), "{headers:?}");
        }
    }

    #[test]
    fn other_doors_take_the_key_where_they_say() {
        let key = key();
        assert_eq!(rule("/healthz", &[HOST]), None);
        assert_eq!(rule("/identity/x", &[HOST, ("x-identity-header", &key)]), None);
        assert_eq!(rule("/identity/x", &[HOST, ("x-identity-header", "x")]), Some("run-key"));
        assert_eq!(rule(&format!("/msi/{key}/forward"), &[HOST]), None);
        assert_eq!(rule("/msi/wrong/forward", &[HOST]), Some("run-key"));
        assert_eq!(rule(&format!("/msi/x/{key}"), &[HOST]), Some("run-key"));
    }

    #[test]
    fn another_name_is_refused_even_with_the_key() {
        let key = ("x-kvops-key", &*key());
        for host in ["evil.example", "evil.example:5616", "localhost", "127.0.0.1.nip.io:5616"] {
            assert_eq!(rule("/api", &[("host", host), key]), Some("host"), "{host}");
            assert_eq!(rule("/healthz", &[("host", host)]), Some("host"), "{host}");
        }
        assert_eq!(rule("/api", &[key]), Some("host"));
        assert_eq!(rule("/api", &[HOST, ("host", "evil.example"), key]), Some("host"), "two names are none");
        assert_eq!(rule("http://evil.example/api", &[HOST, key]), Some("host"));
        assert_eq!(rule("http://localhost:5616/api", &[HOST, key]), None);
    }

    #[test]
    fn a_page_of_another_site_is_refused_before_the_key_is_looked_at() {
        for headers in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://localhost:3000"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "a new kind"),
        ] {
            let with_key = rule("/api", &[HOST, headers, ("x-kvops-key", &key())]);
            let expected = if headers.0 == "origin" { "origin" } else { "fetch-site" };
            assert_eq!(with_key, Some(expected), "{headers:?}");
            assert_eq!(rule("/api", &[HOST, headers]), Some(expected), "{headers:?}");
            assert_eq!(rule("/healthz", &[HOST, headers]), Some(expected), "{headers:?}");
        }
        let own = [HOST, ("origin", "http://localhost:5616"), ("sec-fetch-site", "same-origin")];
        assert_eq!(rule("/healthz", &own), None);
        assert_eq!(rule("/healthz", &[HOST, ("sec-fetch-site", "none")]), None);
    }

    #[test]
    fn a_form_is_let_in_at_its_door_with_its_header_only() {
        let key = ("x-kvops-key", &*key());
        for form in
            ["application/x-www-form-urlencoded", "Text/Plain; charset=utf-8", "multipart/form-data; boundary=x"]
        {
            let content = ("content-type", form);
            assert_eq!(rule("/api", &[HOST, content, key]), Some("form"), "{form}");
            assert_eq!(rule("/api", &[HOST, content, key, ("metadata", "true")]), Some("form"), "{form}");
            assert_eq!(rule("/identity", &[HOST, content, key]), Some("form"), "{form}");
            assert_eq!(rule("/identity", &[HOST, content, key, ("metadata", "True")]), None, "{form}");
        }
        assert_eq!(rule("/api", &[HOST, ("content-type", "application/json"), key]), None);
    }
}

//! Graph's addresses: versions, keys in parentheses, names in any case.

use super::fault::Fault;
use crate::lab::exchange::Request;

/// A request's path, taken apart.
#[derive(Debug)]
pub(super) struct Path {
    /// `v1.0` or `beta`, as it goes into links.
    pub(super) version: &'static str,
    pub(super) segments: Vec<Segment>,
}

/// One step of a path.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Segment {
    /// In lower case, without parentheses and without `microsoft.graph.`.
    pub(super) name: String,
    /// As it was sent, for identifiers.
    pub(super) raw: String,
    /// The key in parentheses: `(appId='…')` has the name `appid`, `('…')` has none.
    pub(super) key: Option<(String, String)>,
}

/// How an object of a collection is addressed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Selector {
    Id(String),
    AppId(String),
    UniqueName(String),
}

impl Selector {
    /// The identifier, for messages.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Id(text) | Self::AppId(text) | Self::UniqueName(text) => text,
        }
    }
}

impl Path {
    /// Takes a request's path apart. Empty segments and `myorganization` say nothing.
    pub(super) fn parse(request: &Request) -> Result<Self, Fault> {
        let mut segments = request.path.iter().filter(|segment| !segment.is_empty());
        let version = match segments.next().map(String::as_str) {
            Some("v1.0") => "v1.0",
            Some("beta") => "beta",
            other => return Err(Fault::malformed(format!("Invalid version: {}.", other.unwrap_or_default()))),
        };
        let segments = segments.map(|text| Segment::parse(text)).collect::<Result<Vec<_>, _>>()?;
        let skip = usize::from(segments.first().is_some_and(|first| first.name == "myorganization"));
        Ok(Self { version, segments: segments.into_iter().skip(skip).collect() })
    }

    /// Names to match on.
    pub(super) fn names(&self) -> Vec<&str> {
        self.segments.iter().map(|segment| segment.name.as_str()).collect()
    }

    /// Splits `applications/…` into the object that is meant and what follows. `None`: the
    /// collection itself, or something of it that begins with `$` or is a function.
    pub(super) fn object(&self) -> Result<Option<(Selector, &[Segment])>, Fault> {
        let [first, rest @ ..] = self.segments.as_slice() else { return Ok(None) };
        match &first.key {
            Some((name, value)) => Ok(Some((selector(name, value)?, rest))),
            None => match rest {
                [id, rest @ ..] if !id.name.starts_with('$') && id.name != "delta" => {
                    Ok(Some((Selector::Id(id.raw.clone()), rest)))
                }
                _ => Ok(None),
            },
        }
    }
}

fn selector(name: &str, value: &str) -> Result<Selector, Fault> {
    let value = value.to_owned();
    match name {
        "" | "id" => Ok(Selector::Id(value)),
        "appid" => Ok(Selector::AppId(value)),
        "uniquename" => Ok(Selector::UniqueName(value)),
        _ => Err(Fault::malformed(format!("The key property '{name}' is not a key of the entity set."))),
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, Fault> {
        let (name, key) = match text.split_once('(') {
            Some((name, rest)) => {
                let inner = rest.strip_suffix(')').ok_or_else(|| Fault::malformed("Resource path is malformed."))?;
                (name, key(inner)?)
            }
            None => (text, None),
        };
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("microsoft.graph.").unwrap_or(&name).to_owned();
        Ok(Self { name, raw: text.to_owned(), key })
    }
}

/// `appId='…'`, `'…'`, or nothing, as in `delta()`.
fn key(inner: &str) -> Result<Option<(String, String)>, Fault> {
    let malformed = || Fault::malformed("The key in the path is malformed.");
    let (name, literal) = match inner.split_once('=') {
        Some((name, literal)) if !name.contains('\'') => (name.trim(), literal.trim()),
        _ => ("", inner.trim()),
    };
    if literal.is_empty() {
        return if name.is_empty() { Ok(None) } else { Err(malformed()) };
    }
    let quoted = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let value = quoted.map(|text| text.replace("''", "'")).ok_or_else(malformed)?;
    Ok(Some((name.to_ascii_lowercase(), value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str) -> Path {
        let request = Request {
            method: http::Method::GET,
            host: "localhost".to_owned(),
            path: path.split('/').skip(1).map(str::to_owned).collect(),
            query: Vec::new(),
            headers: http::HeaderMap::new(),
            body: bytes::Bytes::new(),
        };
        Path::parse(&request).unwrap()
    }

    #[test]
    fn prefix_double_slash_and_case_do_not_matter() {
        assert_eq!(parse("/v1.0//Applications").names(), ["applications"]);
        assert_eq!(parse("/v1.0/myorganization/applications").names(), ["applications"]);
        assert_eq!(parse("/beta/oAuth2PermissionGrants/AbC").segments[1].raw, "AbC");
    }

    #[test]
    fn an_object_is_named_by_id_or_by_an_alternate_key() {
        let path = parse("/v1.0/applications(appId='x''y')/owners/$ref");
        let (selector, rest) = path.object().unwrap().unwrap();
        assert_eq!(selector, Selector::AppId("x'y".to_owned()));
        assert_eq!(rest.len(), 2);
        let path = parse("/v1.0/servicePrincipals/123/microsoft.graph.addKey");
        let (selector, rest) = path.object().unwrap().unwrap();
        assert_eq!(selector, Selector::Id("123".to_owned()));
        assert_eq!(rest[0].name, "addkey");
    }

    #[test]
    fn functions_and_counts_are_no_objects() {
        for path in ["/v1.0/applications", "/v1.0/applications/$count", "/v1.0/applications/delta()"] {
            assert_eq!(parse(path).object().unwrap(), None, "{path}");
        }
    }
}

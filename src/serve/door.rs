//! Where another rule than the usual one holds.

/// A path, with everything below it, whose callers are let in differently from others: by default
/// a caller shows the run key in a header, and sends no form.
#[derive(Clone, Copy, Debug)]
pub struct Door {
    /// The path. One that ends in `/` means what is below it, another one itself and what is below.
    pub path: &'static str,
    /// How callers show the key.
    pub key: KeyAt,
    /// A header with which a form is let in. A page of another site can send forms, and cannot set
    /// headers without asking first, which is refused.
    pub form_with: Option<(&'static str, &'static str)>,
}

/// Where the run key is looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeyAt {
    /// In `Authorization: Bearer` or `X-Kvops-Key`.
    Header,
    /// In a header of this name, or as usual.
    Named(&'static str),
    /// In the path segment of this number, counted from 0, or as usual. For clients that are
    /// configured with nothing but an address.
    Segment(usize),
    /// Nowhere: for pages that tell nothing and do nothing.
    Nowhere,
}

impl Door {
    /// The usual rule.
    pub(super) const USUAL: Self = Self { path: "/", key: KeyAt::Header, form_with: None };

    /// A path that everybody on this machine may see.
    pub const fn open(path: &'static str) -> Self {
        Self { path, key: KeyAt::Nowhere, form_with: None }
    }

    /// The door for a path: the longest that fits. An open `/` is the page itself and nothing below, and
    /// a path that climbs is below nothing.
    pub(super) fn of<'a>(doors: &'a [Self], path: &str) -> &'a Self {
        if path.split('/').any(is_climbing) {
            return &Self::USUAL;
        }
        doors.iter().filter(|door| door.fits(path)).max_by_key(|door| door.path.len()).unwrap_or(&Self::USUAL)
    }

    fn fits(&self, path: &str) -> bool {
        if self.path == "/" {
            return path == "/";
        }
        match path.strip_prefix(self.path) {
            Some(rest) => rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'),
            None => false,
        }
    }
}

fn is_climbing(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOORS: &[Door] = &[Door::open("/"), Door::open("/healthz"), Door::open("/swagger/")];

    fn key_at(path: &str) -> KeyAt {
        Door::of(DOORS, path).key
    }

    #[test]
    fn what_is_not_listed_asks_for_the_key() {
        for path in ["/", "/healthz", "/healthz/x", "/swagger/index.html"] {
            assert_eq!(key_at(path), KeyAt::Nowhere, "{path}");
        }
        for path in [
            "/api",
            "/healthzz",
            "/swagger",
            "/Healthz",
            "//",
            "",
            "/api/../healthz",
            "*",
            "/healthz/../api",
            "/swagger/%2E./api",
            "/swagger/.",
        ] {
            assert_eq!(key_at(path), KeyAt::Header, "{path}");
        }
    }

    #[test]
    fn the_longest_door_counts() {
        let inner = Door { path: "/a/b", key: KeyAt::Named("x-key"), form_with: None };
        let doors = [Door::open("/a"), inner];
        assert_eq!(Door::of(&doors, "/a/b/c").key, KeyAt::Named("x-key"));
        assert_eq!(Door::of(&doors, "/a/c").key, KeyAt::Nowhere);
    }
}

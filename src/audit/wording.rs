//! Numbers of things, as messages say them.

use std::fmt::Display;

/// A number of things: `1 principal`, `4 principals`, `0 access policies`.
pub(super) fn counted<N: Display + From<u8> + PartialEq>(count: N, thing: &str) -> String {
    match thing.strip_suffix("cy") {
        _ if count == N::from(1) => format!("1 {thing}"),
        Some(stem) => format!("{count} {stem}cies"),
        None => format!("{count} {thing}s"),
    }
}

/// The form of a verb that goes with the number: `works` with one, `work` with any other.
pub(super) fn verb(count: usize, one: &'static str, many: &'static str) -> &'static str {
    if count == 1 { one } else { many }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_nothing_is_not() {
        assert_eq!([0, 1, 2].map(|count| counted(count, "key")), ["0 keys", "1 key", "2 keys"]);
        assert_eq!([0, 1, 2].map(|count| verb(count, "works", "work")), ["work", "works", "work"]);
        assert_eq!([1, 2].map(|count| counted(count, "access policy")), ["1 access policy", "2 access policies"]);
        assert_eq!([1_i64, 30].map(|count| counted(count, "day")), ["1 day", "30 days"]);
    }
}

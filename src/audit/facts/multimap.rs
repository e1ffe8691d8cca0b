//! Many values under few keys, or one under each of many: sorted, in one piece.

use std::borrow::Borrow;

/// Values by key, in the order in which they were added. A hash map of lists would take four times as much
/// memory, for nearly every key has one value.
#[derive(Debug)]
pub(super) struct Multimap<K, V> {
    /// Sorted; as many as there are values.
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K, V> Default for Multimap<K, V> {
    fn default() -> Self {
        Self { keys: Vec::new(), values: Vec::new() }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Multimap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
        let (mut keys, mut values) = (Vec::with_capacity(pairs.len()), Vec::with_capacity(pairs.len()));
        for (key, value) in pairs {
            keys.push(key);
            values.push(value);
        }
        Self { keys, values }
    }
}

impl<K: Ord, V> Multimap<K, V> {
    /// The values of a key.
    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> &[V]
    where
        K: Borrow<Q>,
    {
        let from = self.keys.partition_point(|known| known.borrow() < key);
        let rest = self.keys.get(from..).unwrap_or_default();
        let number = rest.iter().take_while(|known| (*known).borrow() == key).count();
        self.values.get(from..from + number).unwrap_or_default()
    }
}

/// Leaves of pairs those whose key comes more than once.
pub(super) fn repeated<K: Ord, V>(mut pairs: Vec<(K, V)>) -> Vec<(K, V)> {
    pairs.sort_by(|(one, _), (other, _)| one.cmp(other));
    let is_same = |one: Option<usize>, other: usize| {
        let key = |index: usize| pairs.get(index).map(|(key, _)| key);
        one.and_then(key).is_some_and(|one| key(other) == Some(one))
    };
    let kept: Vec<bool> =
        (0..pairs.len()).map(|index| is_same(index.checked_sub(1), index) || is_same(Some(index), index + 1)).collect();
    let mut kept = kept.into_iter();
    pairs.retain(|_| kept.next().unwrap_or_default());
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_key_come_in_the_order_in_which_they_were_added() {
        let map: Multimap<_, _> = [("b", 1), ("a", 2), ("b", 3), ("c", 4), ("b", 0)].into_iter().collect();
        assert_eq!(map.get("b"), [1, 3, 0]);
        assert_eq!(map.get("a"), [2]);
        assert_eq!(map.get("c"), [4]);
        assert_eq!((map.get("0"), map.get("bb"), map.get("d")), (&[][..], &[][..], &[][..]));
        assert_eq!(Multimap::<&str, u8>::default().get("a"), [0_u8; 0]);
    }

    #[test]
    fn only_keys_that_come_more_than_once_are_left() {
        let pairs = vec![("b", 1), ("a", 2), ("c", 3), ("b", 4), ("d", 5), ("d", 6)];
        assert_eq!(repeated(pairs), [("b", 1), ("b", 4), ("d", 5), ("d", 6)]);
        assert!(repeated(vec![("a", 1)]).is_empty());
    }
}

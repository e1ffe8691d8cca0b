//! What is read of many objects, packed until it is put beside them.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::inventory::Records;

/// Values by object, in the order in which they come.
pub(super) struct Gathered<K, V> {
    keys: Vec<K>,
    values: Records<V>,
}

/// The same in the order of the objects, to be looked up.
pub(super) struct ByKey<K, V>(Gathered<K, V>);

impl<K: Clone + Ord, V: Serialize + DeserializeOwned> Gathered<K, V> {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self { keys: Vec::new(), values: Records::passing() }
    }

    /// Values whose keys are known.
    pub(super) fn of(keys: Vec<K>, values: Records<V>) -> Self {
        Self { keys, values }
    }

    /// Adds a value.
    pub(super) fn push(&mut self, key: K, value: &V) {
        self.keys.push(key);
        self.values.push(value);
    }

    /// Adds all values of another.
    pub(super) fn append(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.values.append(other.values);
    }

    /// How many values there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The keys, in the order in which they came.
    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    /// The values, in the order in which they came.
    pub(super) fn values(&self) -> impl ExactSizeIterator<Item = V> + '_ {
        self.values.iter()
    }

    /// Changes each value in turn, and keeps those for which `change` says so.
    pub(super) fn change(&mut self, mut change: impl FnMut(&mut V) -> bool) {
        let mut keys = std::mem::take(&mut self.keys).into_iter();
        let kept = &mut self.keys;
        self.values.change(|value| {
            let (is_kept, key) = (change(value), keys.next());
            kept.extend(key.filter(|_| is_kept));
            is_kept
        });
    }

    /// Leaves of several values of one object the first.
    pub(super) fn keep_first(&mut self) {
        self.keep_one(|(_, later)| later);
    }

    /// Leaves of several values of one object the last.
    pub(super) fn keep_last(&mut self) {
        self.keep_one(|(earlier, _)| earlier);
    }

    fn keep_one(&mut self, which: impl Fn((u32, u32)) -> u32) {
        let order = self.order();
        let pairs = order.iter().copied().zip(order.iter().copied().skip(1));
        let is_of_one = |(one, other): &(u32, u32)| self.keys[*one as usize] == self.keys[*other as usize];
        let spare: HashSet<u32> = pairs.filter(is_of_one).map(which).collect();
        if !spare.is_empty() {
            let mut position = 0..;
            self.change(|_| position.next().is_none_or(|position| !spare.contains(&position)));
        }
    }

    /// Puts the values in the order of their keys; those of one key stay in the order in which they came.
    pub(super) fn by_key(mut self) -> ByKey<K, V> {
        let order = self.order();
        self.values.pick(order.iter().map(|position| *position as usize));
        self.keys = order.into_iter().map(|position| self.keys[position as usize].clone()).collect();
        ByKey(self)
    }

    fn order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..).take(self.keys.len()).collect();
        order.sort_by(|one, other| self.keys[*one as usize].cmp(&self.keys[*other as usize]));
        order
    }
}

impl<K: Clone + Ord, V: Serialize + DeserializeOwned> ByKey<K, V> {
    /// The value of an object; of several the one that came last.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        let after = self.0.keys.partition_point(|known| known <= key);
        let last = after.checked_sub(1).filter(|last| self.0.keys[*last] == *key)?;
        self.0.values.get(last)
    }

    /// All values of an object.
    pub(super) fn all(&self, key: &K) -> impl Iterator<Item = V> + '_ {
        let from = self.0.keys.partition_point(|known| known < key);
        let to = self.0.keys.partition_point(|known| known <= key);
        (from..to).filter_map(|position| self.0.values.get(position))
    }

    /// Whether there is a value of an object.
    pub(super) fn has(&self, key: &K) -> bool {
        self.0.keys.binary_search(key).is_ok()
    }

    /// The values without their keys.
    pub(super) fn into_values(self) -> Records<V> {
        self.0.values
    }

    /// The values, to which more can be added.
    pub(super) fn reopened(self) -> Gathered<K, V> {
        self.0
    }
}

impl<K, V> fmt::Debug for Gathered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gathered").field("len", &self.keys.len()).finish_non_exhaustive()
    }
}

impl<K, V> fmt::Debug for ByKey<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<K: Clone + Ord, V: Serialize + DeserializeOwned> Default for Gathered<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Clone + Ord, V: Serialize + DeserializeOwned> Default for ByKey<K, V> {
    fn default() -> Self {
        Self(Gathered::new())
    }
}

impl<K: Clone + Ord, V: Serialize + DeserializeOwned> Extend<(K, V)> for Gathered<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, values: I) {
        values.into_iter().for_each(|(key, value)| self.push(key, &value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(pairs: &[(u8, &str)]) -> Gathered<u8, String> {
        let mut gathered = Gathered::new();
        gathered.extend(pairs.iter().map(|(key, value)| (*key, (*value).to_owned())));
        gathered
    }

    #[test]
    fn values_are_found_by_their_object_however_they_came() {
        let mut all = gathered(&[(3, "c"), (1, "a"), (3, "d")]);
        all.append(gathered(&[(2, "b"), (1, "e")]));
        let all = all.by_key();
        assert_eq!(all.get(&1).as_deref(), Some("e"), "the last word counts");
        assert_eq!(all.all(&3).collect::<Vec<_>>(), ["c", "d"]);
        assert_eq!((all.get(&0), all.get(&4), all.has(&2), all.has(&4)), (None, None, true, false));
        assert_eq!(all.into_values().iter().collect::<String>(), "aebcd");
    }

    #[test]
    fn what_comes_twice_is_kept_once() {
        let mut all = gathered(&[(3, "c"), (1, "a"), (3, "d"), (2, "b"), (1, "e")]);
        all.keep_first();
        assert_eq!((all.keys(), all.values().collect::<String>()), (&[3, 1, 2][..], "cab".to_owned()));
        let mut last = gathered(&[(3, "c"), (1, "a"), (3, "d"), (3, "e")]);
        last.keep_last();
        assert_eq!((last.keys(), last.values().collect::<String>()), (&[1, 3][..], "ae".to_owned()));
        all.change(|value| {
            value.push('x');
            value != "ax"
        });
        assert_eq!((all.len(), all.keys()), (2, &[3, 2][..]));
        assert_eq!(all.by_key().into_values().iter().collect::<String>(), "bxcx");
    }
}

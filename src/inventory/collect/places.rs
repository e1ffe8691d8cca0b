//! Which certificates of which vaults are read together, and where what was read of them goes.

use std::collections::{HashMap, HashSet};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::azure::Found;
use super::gathered::Gathered;
use crate::domain;
use crate::inventory::{Certificate, Records, Seen};

/// Vaults of a group: so many requests to vaults are under way at once.
pub(super) const READINGS_AT_ONCE: usize = 256;

/// Where a certificate is in the list of vaults.
pub(super) type Place = (usize, usize);

/// Certificates of one group of vaults after the other. What is read of one group is put beside its
/// certificates before the next: so no more than a group's is kept twice.
pub(super) type Groups = Vec<Vec<Place>>;

/// Subscription and location of a vault.
type Region<'v> = (&'v str, &'v str);

/// Each certificate, with its place.
pub(super) fn certificates(vaults: &Found) -> impl Iterator<Item = (Place, Certificate)> + '_ {
    vaults.iter().enumerate().flat_map(|(vault, (_, record))| {
        let certificates = record.certificates.read().into_iter().flat_map(Records::iter).enumerate();
        certificates.map(move |(index, certificate)| ((vault, index), certificate))
    })
}

/// The certificates that fulfil a condition, in groups of vaults and there one of each vault after the
/// other: so that no vault is asked for everything at once, nor a connection kept open to each.
pub(super) fn places(vaults: &Found, is_meant: impl Fn(&Certificate) -> bool) -> Groups {
    places_in(vaults, |_, certificate| is_meant(certificate))
}

/// The same, of conditions that ask for the vault too.
pub(super) fn places_in<'v>(vaults: &'v Found, is_meant: impl Fn(&domain::Vault, &Certificate) -> bool) -> Groups {
    let is_meant = |(vault, _): &Place, certificate: &Certificate| {
        vaults.get(*vault).is_some_and(|(vault, _)| is_meant(vault, certificate))
    };
    let meant = certificates(vaults).filter(|(place, certificate)| is_meant(place, certificate));
    let mut places: Vec<_> = meant.map(|(place, _)| place).collect();
    let region = |vault: &'v crate::inventory::Vault| {
        vault.properties.read().map(|it| (&*it.subscription, &*it.location)).unwrap_or_default()
    };
    let turns = turns(vaults.iter().map(|(_, vault)| region(vault)));
    let turn = |vault: usize| turns.get(vault).copied().unwrap_or_default();
    let group = |vault: usize| turn(vault) / READINGS_AT_ONCE;
    places.sort_unstable_by_key(|(vault, index)| (group(*vault), *index, turn(*vault)));
    places.chunk_by(|(one, _), (other, _)| group(*one) == group(*other)).map(<[Place]>::to_vec).collect()
}

/// When it is each vault's turn: neighbours are of different regions, which have budgets of their own.
fn turns<'v>(regions: impl Iterator<Item = Region<'v>>) -> Vec<usize> {
    let (mut in_region, mut order) = (HashMap::<Region<'v>, usize>::new(), Vec::new());
    for (vault, region) in regions.enumerate() {
        let rank = in_region.entry(region).or_default();
        order.push((*rank, vault));
        *rank += 1;
    }
    order.sort_unstable();
    let mut turns = vec![0; order.len()];
    order.into_iter().enumerate().for_each(|(turn, (_, vault))| turns[vault] = turn);
    turns
}

/// The certificate at a place, and its vault.
pub(super) fn at(vaults: &Found, (vault, index): Place) -> Option<(&domain::Vault, Certificate)> {
    let (place, record) = vaults.get(vault)?;
    Some((place, record.certificates.read()?.get(index)?))
}

/// Puts what was read of certificates in its place.
pub(super) fn put_all<V: Serialize + DeserializeOwned>(
    vaults: &mut Found,
    read: Gathered<Place, V>,
    put: impl Fn(&mut Certificate, V),
) {
    let touched: HashSet<usize> = read.keys().iter().map(|(vault, _)| *vault).collect();
    let read = read.by_key();
    for (vault, (_, record)) in vaults.iter_mut().enumerate().filter(|(vault, _)| touched.contains(vault)) {
        let Seen::Read(certificates) = &mut record.certificates else { continue };
        let mut index = 0..;
        certificates.change(|certificate| {
            if let Some(value) = index.next().and_then(|index| read.get(&(vault, index))) {
                put(certificate, value);
            }
            true
        });
        certificates.shrink_to_fit();
    }
}

/// How many certificates there are in all groups.
pub(super) fn number(groups: &Groups) -> usize {
    groups.iter().map(Vec::len).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vaults_of_one_region_do_not_follow_each_other() {
        let regions = ["a", "a", "a", "b", "b", "c"].map(|name| ("s", name));
        assert_eq!(turns(regions.into_iter()), [0, 3, 5, 1, 4, 2]);
        assert!(turns(std::iter::empty()).is_empty());
    }
}

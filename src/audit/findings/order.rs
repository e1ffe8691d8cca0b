//! The order of findings: worst first, then by rule, subject and message.

use std::cmp::{Ordering, Reverse};

use super::record::read_details;
use super::{Findings, Row};
use crate::audit::severity::Severity;

impl Row {
    /// What findings are sorted by first.
    fn group(&self, ranks: &[usize]) -> (Reverse<Severity>, usize) {
        (Reverse(self.severity()), ranks[self.rule()])
    }
}

impl Findings {
    /// Puts the findings into the order of every report. Those that came since the last time are put between the
    /// others, which are not compared again.
    pub(crate) fn sort(&mut self) {
        let sorted = self.sorted.min(self.rows.len());
        let mut rows = std::mem::take(&mut self.rows);
        self.sort_rows(&mut rows[sorted..]);
        self.rows = rows;
        if sorted > 0 {
            let added = self.rows.split_off(sorted);
            self.merge(&added);
        }
        self.sorted = self.rows.len();
    }

    /// Puts others between those that are in order, from behind and in place.
    fn merge(&mut self, added: &[Row]) {
        let ranks = self.ranks();
        let mut end = self.rows.len();
        self.rows.extend_from_slice(added);
        for (number, row) in added.iter().enumerate().rev() {
            let at = self.rows[..end].partition_point(|other| self.order(&ranks, other, row).is_le());
            self.rows.copy_within(at..end, at + number + 1);
            self.rows[at + number] = *row;
            end = at;
        }
    }

    /// Rule by rule: what is remembered of subjects while they are compared is never that of all findings.
    fn sort_rows(&self, rows: &mut [Row]) {
        let ranks = self.ranks();
        let group = |row: &Row| row.group(&ranks);
        rows.sort_unstable_by_key(|row| (group(row), row.place()));
        for rows in rows.chunk_by_mut(|one, two| group(one) == group(two)) {
            let mut keyed: Vec<(u128, Row)> = rows.iter().map(|row| (self.about(row).0.key(), *row)).collect();
            keyed.sort_unstable_by(|(one, a), (two, b)| one.cmp(two).then_with(|| self.order_in_group(a, b)));
            rows.iter_mut().zip(keyed).for_each(|(row, (_, sorted))| *row = sorted);
        }
    }

    /// The place of each rule among all by their ids.
    fn ranks(&self) -> Vec<usize> {
        let mut sorted = self.rules.clone();
        sorted.sort_unstable();
        self.rules.iter().map(|rule| sorted.partition_point(|other| other < rule)).collect()
    }

    fn order(&self, ranks: &[usize], one: &Row, two: &Row) -> Ordering {
        one.group(ranks).cmp(&two.group(ranks)).then_with(|| self.order_in_group(one, two))
    }

    fn order_in_group(&self, one: &Row, two: &Row) -> Ordering {
        let message = |row: &Row| {
            let (about, mut from) = self.about(row);
            read_details(&about.ids, &self.texts, &mut from).message
        };
        let subjects = self.about(one).0.order(&self.about(two).0);
        let messages = || message(one).cmp(&message(two));
        subjects.then_with(messages).then_with(|| one.place().cmp(&two.place()))
    }
}

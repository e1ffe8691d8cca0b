//! One finding as bytes: what it is about, what it says, and where that was seen.

use std::cmp::Ordering;

use uuid::Uuid;

use super::bytes::{Reader, Writer};
use super::text::{Ids, Texts};
use crate::audit::finding::{Adjustment, Details, Fact, ObjectKind, Subject};
use crate::audit::severity::Severity;
use crate::domain::AppId;
use crate::inventory::Evidence;

/// Beside the kind, which has the bits below.
const HAS_APP: u8 = 1 << 3;
const IS_NAMED_BY_ID: u8 = 1 << 4;

/// What a record is about, as it stands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) kind: ObjectKind,
    pub(super) ids: Ids<'a>,
    /// `None`: its id.
    name: Option<&'a str>,
}

impl<'a> About<'a> {
    pub(super) fn of(subject: &'a Subject) -> Self {
        let name = (subject.name != subject.id).then_some(&*subject.name);
        Self { kind: subject.kind, ids: Ids::of(subject), name }
    }

    /// Writes all of it but the part.
    pub(super) fn write(&self, to: &mut Writer) {
        let kind = position(&ObjectKind::ALL, self.kind) as u8;
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        to.bytes.push(kind | flag(self.ids.app.is_some(), HAS_APP) | flag(self.name.is_none(), IS_NAMED_BY_ID));
        to.id(self.ids.id);
        self.ids.app.into_iter().for_each(|app| to.bytes.extend_from_slice(&app));
        self.name.into_iter().for_each(|name| to.text(name.as_bytes()));
    }

    pub(super) fn read(from: &mut Reader<'a>) -> Self {
        let flags = from.byte();
        let kind = at(&ObjectKind::ALL, usize::from(flags & (HAS_APP - 1)));
        let id = from.id();
        let app = (flags & HAS_APP != 0).then(|| from.array());
        let name = (flags & IS_NAMED_BY_ID == 0).then(|| str::from_utf8(from.text()).unwrap_or_default());
        Self { kind, ids: Ids { id, part: None, app }, name }
    }

    pub(super) fn write_part(&self, to: &mut Writer) {
        to.bytes.push(u8::from(self.ids.part.is_some()));
        self.ids.part.into_iter().for_each(|part| to.id(part));
    }

    pub(super) fn read_part(self, from: &mut Reader<'a>) -> Self {
        let part = (from.byte() != 0).then(|| from.id());
        Self { ids: Ids { part, ..self.ids }, ..self }
    }

    pub(super) fn subject(&self) -> Subject {
        let id: Box<str> = self.ids.id.text().into();
        Subject {
            kind: self.kind,
            part: self.ids.part.map(|part| part.text().into()),
            app_id: self.ids.app.map(|app| AppId::new(Uuid::from_bytes(app))),
            name: self.name.map_or_else(|| id.clone(), Into::into),
            id,
        }
    }

    /// What sorts subjects for the most part: the kind, and how the id begins.
    pub(super) fn key(&self) -> u128 {
        let id = self.ids.id.text();
        let start = id.bytes().chain(std::iter::repeat(0)).take(15);
        start.fold(self.kind as u128, |key, byte| (key << 8) | u128::from(byte))
    }

    /// The order of the subjects.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let parts = || match (self.ids.part, other.ids.part) {
            (Some(one), Some(two)) => one.order(two),
            (one, two) => one.is_some().cmp(&two.is_some()),
        };
        let name = |about: &Self| about.name.map_or_else(|| about.ids.id.text(), Into::into);
        let names = || (self.ids.app, name(self)).cmp(&(other.ids.app, name(other)));
        self.kind.cmp(&other.kind).then_with(|| self.ids.id.order(other.ids.id)).then_with(parts).then_with(names)
    }
}

/// Writes why a finding is as bad as it is.
pub(super) fn write_adjustments(steps: &[Adjustment], ids: &Ids<'_>, texts: &mut Texts, to: &mut Writer) {
    to.number(steps.len() as u64);
    for step in steps {
        to.bytes.push(position(&Severity::ALL, step.from) as u8);
        to.bytes.push(position(&Severity::ALL, step.to) as u8);
        texts.sentence(&step.why, ids, to);
    }
}

pub(super) fn write_fact(
    (evidence, field, value): (Evidence, &str, &str),
    ids: &Ids<'_>,
    texts: &mut Texts,
    to: &mut Writer,
) {
    to.number(position(&Evidence::ALL, evidence) as u64);
    texts.sentence(field, ids, to);
    texts.value(value, ids, to);
}

/// What stands behind the part: message, remedy, adjustments, facts.
pub(super) fn read_details(ids: &Ids<'_>, texts: &Texts, from: &mut Reader<'_>) -> Details {
    let mut text = Vec::with_capacity(256);
    let message = texts.read(from, ids, &mut text).into();
    let remedy = texts.read(from, ids, &mut text).to_owned();
    let adjustments = (0..from.number()).map(|_| Adjustment {
        from: at(&Severity::ALL, usize::from(from.byte())),
        to: at(&Severity::ALL, usize::from(from.byte())),
        why: texts.read(from, ids, &mut text).to_owned(),
    });
    let adjustments = adjustments.collect();
    let evidence = (0..from.number()).map(|_| Fact {
        evidence: at(&Evidence::ALL, from.count()),
        field: texts.read(from, ids, &mut text).into(),
        value: texts.read(from, ids, &mut text).into(),
    });
    let evidence = evidence.collect();
    Details { adjustments, message, evidence, remedy }
}

fn position<T: PartialEq>(all: &[T], one: T) -> usize {
    all.iter().position(|known| *known == one).unwrap_or_default()
}

fn at<T: Copy>(all: &[T], position: usize) -> T {
    all[position.min(all.len() - 1)]
}

//! Cutting a class of the directory into parts that can be read side by side.

use futures::future::join_all;
use time::OffsetDateTime;

use crate::graph::{self, Class, LARGEST_PAGE, Part};

/// A part of so many pages is read in one go.
const PAGES: usize = 3;

/// So many parts are read side by side at most.
const MOST_PARTS: usize = 16;

/// A piece has about so many pages: the last of each is not full, and that is four in a hundred.
const PIECE: usize = 12;

/// A part is cut into so many pieces at most.
const MOST_PIECES: usize = 4;

/// A moment that no application of any tenant is older than.
const BEFORE_ALL: OffsetDateTime = time::macros::datetime!(2010-01-01 00:00 UTC);

/// A part, and how many objects it is said to have.
pub(super) type Sized = (Part, usize);

/// From a moment on, up to another.
type Slice = (OffsetDateTime, OffsetDateTime);

/// The parts of a class, by what its index says. Whatever the index says, every object is in exactly
/// one of them: the first and the last are open.
pub(super) async fn of(
    graph: &graph::Client,
    class: Class,
    tenant_created: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Vec<Sized> {
    // Without a count there is one part, which is slower and no less true.
    let Ok(all) = graph.count(class, Part::Whole).await else { return vec![(Part::Whole, LARGEST_PAGE)] };
    let number = all.div_ceil(LARGEST_PAGE * PAGES).min(MOST_PARTS);
    if number <= 1 {
        return vec![(Part::Whole, all)];
    }
    let span = (tenant_created.unwrap_or(BEFORE_ALL), now);
    let target = all.div_ceil(number);
    let Some(slices) =
        counted(graph, class, cut(span, if number < MOST_PARTS { number } else { 2 * MOST_PARTS })).await
    else {
        return vec![(Part::Whole, all)];
    };
    // Many tenants got most of their applications in one migration.
    let mut even = Vec::new();
    for (slice, objects) in slices {
        let finer = if objects > 2 * target { counted(graph, class, cut(slice, 8)).await } else { None };
        even.extend(finer.unwrap_or_else(|| vec![(slice, objects)]));
    }
    let dated: usize = even.iter().map(|(_, objects)| objects).sum();
    let mut parts = joined(&even, target);
    if dated < all {
        parts.push((Part::Undated, all - dated));
    }
    parts
}

/// The same parts in smaller pieces, for readings whose pages are small. Nobody is asked how even the
/// pieces are.
pub(super) fn finer(
    parts: &[Sized],
    page: usize,
    tenant_created: Option<OffsetDateTime>,
    now: OffsetDateTime,
) -> Vec<Part> {
    let (first, last) = (tenant_created.unwrap_or(BEFORE_ALL), now);
    let piece = |part: &Sized| {
        let (Part::Between(from, to), objects) = *part else { return vec![part.0] };
        let number = ((objects + page * PIECE / 2) / (page * PIECE)).clamp(1, MOST_PIECES);
        let mut pieces: Vec<_> = cut((from.unwrap_or(first), to.unwrap_or(last)), number)
            .into_iter()
            .map(|(from, to)| (Some(from), Some(to)))
            .collect();
        if let Some(first) = pieces.first_mut() {
            first.0 = from;
        }
        if let Some(last) = pieces.last_mut() {
            last.1 = to;
        }
        pieces.into_iter().map(|(from, to)| Part::Between(from, to)).collect()
    };
    parts.iter().flat_map(piece).collect()
}

/// For gaps: the whole class has no name.
pub(super) fn describe(part: Part) -> String {
    let day = |moment: Option<OffsetDateTime>| moment.map(|moment| moment.date().to_string()).unwrap_or_default();
    match part {
        Part::Whole | Part::Between(None, None) => String::new(),
        Part::Between(from, to) => format!("created {}..{}", day(from), day(to)),
        Part::Undated => "created at an unknown time".to_owned(),
    }
}

async fn counted(graph: &graph::Client, class: Class, slices: Vec<Slice>) -> Option<Vec<(Slice, usize)>> {
    let counts =
        join_all(slices.iter().map(|(from, to)| graph.count(class, Part::Between(Some(*from), Some(*to))))).await;
    let counts: Result<Vec<usize>, _> = counts.into_iter().collect();
    Some(slices.into_iter().zip(counts.ok()?).collect())
}

/// Equal lengths of time, on whole seconds: the directory keeps no finer ones.
fn cut((from, to): Slice, number: usize) -> Vec<Slice> {
    let seconds = (to - from).whole_seconds().max(0);
    let number = i64::try_from(number).unwrap_or(1).clamp(1, seconds.max(1));
    let edge = |index: i64| if index == number { to } else { from + time::Duration::seconds(seconds * index / number) };
    (0..number).map(|index| (edge(index), edge(index + 1))).collect()
}

/// Neighbours put together until they have about `target` objects.
fn joined(slices: &[(Slice, usize)], target: usize) -> Vec<Sized> {
    let mut parts: Vec<(Option<OffsetDateTime>, Option<OffsetDateTime>, usize)> = Vec::new();
    for ((from, to), objects) in slices {
        match parts.last_mut() {
            Some((_, end, sum)) if *sum + objects <= target || *objects == 0 => {
                *end = Some(*to);
                *sum += objects;
            }
            _ => parts.push((Some(*from), Some(*to), *objects)),
        }
    }
    if let Some(first) = parts.first_mut() {
        first.0 = None;
    }
    if let Some(last) = parts.last_mut() {
        last.1 = None;
    }
    parts.into_iter().map(|(from, to, objects)| (Part::Between(from, to), objects)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;

    const FROM: OffsetDateTime = datetime!(2018-11-21 00:00 UTC);
    const TO: OffsetDateTime = datetime!(2026-11-21 12:34:56 UTC);

    proptest! {
        #[test]
        fn every_moment_is_in_exactly_one_part(
            counts in proptest::collection::vec(0_usize..5_000, 1..40),
            moment in -3_000_000_000_i64..4_000_000_000,
        ) {
            let slices: Vec<_> = cut((FROM, TO), counts.len()).into_iter().zip(counts.iter().copied()).collect();
            let target = counts.iter().sum::<usize>().div_ceil(16);
            let parts = joined(&slices, target);
            let moment = OffsetDateTime::from_unix_timestamp(moment).unwrap();
            let holding = parts.iter().filter(|(part, _)| match part {
                Part::Between(from, to) => from.is_none_or(|from| from <= moment) && to.is_none_or(|to| moment < to),
                _ => false,
            });
            prop_assert_eq!(holding.count(), 1);
            prop_assert_eq!(parts.iter().map(|(_, objects)| objects).sum::<usize>(), counts.iter().sum::<usize>());
        }
    }

    #[test]
    fn parts_are_about_as_large_as_wished() {
        let slices: Vec<_> = cut((FROM, TO), 32).into_iter().map(|slice| (slice, 3_125)).collect();
        let parts = joined(&slices, 6_250);
        assert_eq!(parts.len(), 16);
        assert!(matches!(parts[0].0, Part::Between(None, Some(_))));
        assert!(matches!(parts[15].0, Part::Between(Some(_), None)));
    }

    #[test]
    fn pieces_cover_their_part_and_no_more() {
        let slices: Vec<_> = cut((FROM, TO), 4).into_iter().map(|slice| (slice, 2_500)).collect();
        let mut parts = joined(&slices, 2_500);
        parts.push((Part::Undated, 7));
        let pieces = finer(&parts, 100, Some(FROM), TO);
        assert_eq!(pieces.len(), 9);
        assert_eq!(pieces[8], Part::Undated);
        let edges = pieces[..8].iter().map(|piece| match piece {
            Part::Between(from, to) => (*from, *to),
            _ => panic!("{piece:?}"),
        });
        let edges: Vec<_> = edges.collect();
        assert!(edges.windows(2).all(|pair| pair[0].1 == pair[1].0));
        assert_eq!((edges[0].0, edges[7].1), (None, None));
        assert_eq!(finer(&[(Part::Whole, 9_000)], 100, None, TO), [Part::Whole]);
    }

    #[test]
    fn a_moment_cannot_be_cut() {
        assert_eq!(cut((FROM, FROM), 8).len(), 1);
        assert_eq!(cut((TO, FROM), 8), [(TO, FROM)]);
    }
}

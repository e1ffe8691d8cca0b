//! Bytes in pieces that never move: a vector of all of them would be copied, and twice as large, whenever it
//! is full.

/// Bytes of a piece. A record that is longer has one for itself.
const SIZE: usize = 1 << 20;

#[derive(Clone, Debug, Default)]
pub(super) struct Chunks(Vec<Vec<u8>>);

impl Chunks {
    /// Whether so many bytes still fit behind the others.
    pub(super) fn has_room(&self, length: usize) -> bool {
        self.0.last().is_some_and(|chunk| chunk.len() < SIZE && chunk.capacity() - chunk.len() >= length)
    }

    /// Begins a piece in which so many bytes fit.
    pub(super) fn open(&mut self, length: usize) {
        self.0.push(Vec::with_capacity(length.max(SIZE)));
    }

    /// Where the next byte will stand.
    pub(super) fn end(&self) -> u64 {
        let chunk = self.0.len().saturating_sub(1);
        (chunk * SIZE + self.0.last().map_or(0, Vec::len)) as u64
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        if !self.has_room(bytes.len()) {
            self.open(bytes.len());
        }
        self.0.last_mut().into_iter().for_each(|chunk| chunk.extend_from_slice(bytes));
    }

    /// What stands from a place on.
    pub(super) fn from(&self, place: u64) -> &[u8] {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        self.0.get(place / SIZE).and_then(|chunk| chunk.get(place % SIZE..)).unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_stands_where_it_was_put() {
        let mut chunks = Chunks::default();
        let records: Vec<Vec<u8>> =
            [1, SIZE - 1, SIZE, 7, 3 * SIZE, 0, 9].iter().zip(1..).map(|(length, byte)| vec![byte; *length]).collect();
        let places: Vec<u64> = records
            .iter()
            .map(|record| {
                if !chunks.has_room(record.len()) {
                    chunks.open(record.len());
                }
                let place = chunks.end();
                chunks.push(record);
                place
            })
            .collect();
        for (record, place) in records.iter().zip(places) {
            assert!(chunks.from(place).starts_with(record));
        }
        assert!(chunks.from(1 << 60).is_empty());
    }
}

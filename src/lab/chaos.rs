//! What the services may do to a list without breaking their word: objects in another order, objects
//! that come twice, links that lead nowhere. Drawn before a page is made.

use rand::Rng as _;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha20Rng;

use super::world::Settings;

/// The moods of one page.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Chaos {
    /// The last object stands at the head of the next page, too.
    pub(crate) repeats: bool,
    /// The link to the next page is not known when it is followed.
    pub(crate) loses_link: bool,
    /// The objects of the page are in an order that this number makes.
    order: Option<u64>,
}

impl Chaos {
    /// Draws by the settings. Where they are off, the generator stands still.
    pub(crate) fn draw(settings: &Settings, random: &mut ChaCha20Rng) -> Self {
        let mut happens = |percent: u32| percent > 0 && random.random_range(0..100) < percent;
        Self {
            repeats: happens(settings.duplicates),
            loses_link: happens(settings.lost_page_tokens),
            order: settings.shuffle_pages.then(|| random.random()),
        }
    }

    /// Puts the objects of a page into their order.
    pub(crate) fn order<T>(&self, page: &mut [T]) {
        if let Some(seed) = self.order {
            page.shuffle(&mut ChaCha20Rng::seed_from_u64(seed));
        }
    }

    /// How many of the objects of a page the next one begins before its usual start. A page of one
    /// is never repeated: the list would have no end.
    pub(crate) fn step_back(&self, shown: usize) -> usize {
        usize::from(self.repeats && shown > 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_settings_nothing_is_drawn() {
        let mut random = ChaCha20Rng::seed_from_u64(1);
        assert_eq!(Chaos::draw(&Settings::default(), &mut random), Chaos::default());
        assert_eq!(random, ChaCha20Rng::seed_from_u64(1));
    }

    #[test]
    fn a_page_keeps_its_objects_in_another_order_and_one_alone_is_not_repeated() {
        let settings = Settings { shuffle_pages: true, duplicates: 100, ..Settings::default() };
        let chaos = Chaos::draw(&settings, &mut ChaCha20Rng::seed_from_u64(1));
        let mut page: Vec<u32> = (0..50).collect();
        chaos.order(&mut page);
        assert_ne!(page, (0..50).collect::<Vec<_>>());
        page.sort_unstable();
        assert_eq!(page, (0..50).collect::<Vec<_>>());
        assert_eq!((chaos.step_back(1), chaos.step_back(2)), (0, 1));
    }
}

//! Lists that are read page by page, with the faults of single items kept apart from those of the list.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::error::{Error, failed};
use crate::http::{Operation, Pages, Unreadable};

/// A list of the directory. Nothing of a page is kept once the next is asked for.
#[derive(Debug)]
pub struct List<'a, T> {
    pages: Pages<'a>,
    operation: Operation,
    item: PhantomData<fn() -> T>,
}

/// The items of one page.
#[derive(Debug)]
pub struct Page<T> {
    /// Those that could be read.
    pub items: Vec<T>,
    /// Those that are not what Graph documents.
    pub unreadable: Vec<Unreadable>,
}

impl<'a, T: DeserializeOwned> List<'a, T> {
    pub(super) fn new(pages: Pages<'a>, operation: Operation) -> Self {
        Self { pages, operation, item: PhantomData }
    }

    /// The next page, which may well be empty, or `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Page<T>>, Error> {
        let page = self.pages.next_readable().await.map_err(|source| failed(&self.operation, source))?;
        Ok(page.map(|(items, unreadable)| Page { items, unreadable }))
    }

    /// Everything at once, for lists that are short.
    pub async fn all(mut self) -> Result<Page<T>, Error> {
        let mut all = Page { items: Vec::new(), unreadable: Vec::new() };
        while let Some(page) = self.next().await? {
            all.items.extend(page.items);
            all.unreadable.extend(page.unreadable);
        }
        Ok(all)
    }

    /// Where the changes after this list begin, once it has been read to its end as a delta query.
    pub fn delta_link(&self) -> Option<&str> {
        self.pages.delta_link()
    }
}

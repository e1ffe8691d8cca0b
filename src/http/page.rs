//! Lists that come in pages.

use std::collections::HashSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::auth::Auth;
use super::client::Client;
use super::error::{Cause, Error};
use super::operation::Operation;
use super::request::Request;
use super::response::Response;

/// The pages of one list, read one by one. Links are followed as they are, except to another
/// origin or back to a page that was read; an empty page is no end.
#[derive(Debug)]
pub struct Pages<'a> {
    client: &'a Client,
    operation: Operation,
    auth: &'a Auth,
    template: Request,
    next: Option<Url>,
    read: HashSet<String>,
    empty: usize,
    kept: Option<(&'static str, &'static str)>,
    delta: Option<String>,
}

/// No list of either service is longer: a server that links on and on must not hold us for ever.
const MOST_PAGES: usize = 100_000;

/// So many empty pages in a row are no list any more.
const MOST_EMPTY: usize = 1_000;

/// A page of Key Vault or of Graph.
#[derive(Deserialize)]
#[serde(bound = "T: DeserializeOwned")]
struct Page<T> {
    value: Vec<T>,
    #[serde(alias = "@odata.nextLink", alias = "nextLink", default)]
    next_link: Option<String>,
    #[serde(rename = "@odata.deltaLink", default)]
    delta_link: Option<String>,
}

/// An item of a list that is not what its service documents.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unreadable {
    /// Its `id`, if that much could be read. Hostile text.
    pub id: Option<String>,
    /// What is wrong with it, without any of its values.
    pub problem: String,
}

impl<'a> Pages<'a> {
    /// The list that begins with the answer to `first`.
    pub fn new(client: &'a Client, operation: &Operation, first: Request, auth: &'a Auth) -> Self {
        let next = Some(first.url.clone());
        Self {
            client,
            operation: *operation,
            auth,
            template: first,
            next,
            read: HashSet::new(),
            empty: 0,
            kept: None,
            delta: None,
        }
    }

    /// Adds a parameter to every link that lacks it: Key Vault forgets some from page to page.
    #[must_use]
    pub fn keeping(self, name: &'static str, value: &'static str) -> Self {
        Self { kept: Some((name, value)), ..self }
    }

    /// The next page's items, or `None` after the last page.
    pub async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<Vec<T>>, Error> {
        Ok(self.next_with_response().await?.map(|(items, _)| items))
    }

    /// The same, with the answer, so that what is wrong with an item can be told with its ids.
    pub async fn next_with_response<T: DeserializeOwned>(&mut self) -> Result<Option<(Vec<T>, Response)>, Error> {
        let Some((url, response)) = self.fetch().await? else { return Ok(None) };
        let items = self.take(&url, response.json()?, &response)?;
        Ok(Some((items, response)))
    }

    /// The same, but an item that cannot be read does not spoil its page.
    pub async fn next_readable<T: DeserializeOwned>(&mut self) -> Result<Option<(Vec<T>, Vec<Unreadable>)>, Error> {
        let Some((url, response)) = self.fetch().await? else { return Ok(None) };
        if let Ok(page) = response.json() {
            return Ok(Some((self.take(&url, page, &response)?, Vec::new())));
        }
        // Rarely needed, and so it may take its time.
        let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
        for item in self.take::<serde_json::Value>(&url, response.json()?, &response)? {
            match T::deserialize(&item) {
                Ok(item) => readable.push(item),
                Err(error) => unreadable.push(Unreadable {
                    id: item["id"].as_str().map(str::to_owned),
                    problem: super::response::describe(&error),
                }),
            }
        }
        Ok(Some((readable, unreadable)))
    }

    async fn fetch(&mut self) -> Result<Option<(Url, Response)>, Error> {
        let Some(url) = self.next.take() else { return Ok(None) };
        self.read.insert(url.to_string());
        let request = Request { url, ..self.template.clone() };
        let response = self.client.send(&self.operation, &request, self.auth).await?;
        Ok(Some((request.url, response)))
    }

    fn take<T>(&mut self, from: &Url, page: Page<T>, response: &Response) -> Result<Vec<T>, Error>
    where
        T: DeserializeOwned,
    {
        self.delta = page.delta_link.or(self.delta.take());
        self.empty = if page.value.is_empty() { self.empty + 1 } else { 0 };
        if let Some(link) = page.next_link.filter(|link| !link.is_empty()) {
            self.next = Some(self.follow(from, &link, response)?);
        }
        Ok(page.value)
    }

    /// Where the changes after this list begin: known once a delta query has been read to its end.
    pub fn delta_link(&self) -> Option<&str> {
        self.delta.as_deref()
    }

    /// All items of all pages.
    pub async fn all<T: DeserializeOwned>(mut self) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        while let Some(page) = self.next().await? {
            items.extend(page);
        }
        Ok(items)
    }

    /// `Url` drops the `:443` that Key Vault writes; but for what is kept nothing else changes.
    fn follow(&self, from: &Url, link: &str, response: &Response) -> Result<Url, Error> {
        let mut url = from.join(link).map_err(|_| response.unreadable("has a link to its next page that is no URL"))?;
        if url.origin() != from.origin() {
            let to = url.host_str().unwrap_or(link).to_owned();
            return Err(response.failed(Cause::Foreign { to }));
        }
        if let Some((name, value)) = self.kept.filter(|(name, _)| url.query_pairs().all(|(known, _)| known != *name)) {
            url.query_pairs_mut().append_pair(name, value);
        }
        if self.read.contains(url.as_str()) {
            return Err(response.failed(Cause::PageLoop));
        }
        if is_endless(self.read.len(), self.empty) {
            return Err(response.unreadable("links on to yet another page, far beyond the end of any list"));
        }
        Ok(url)
    }
}

/// Whether a list that still links on after so many pages, the last `empty` without an item, has no end.
fn is_endless(read: usize, empty: usize) -> bool {
    read >= MOST_PAGES || empty >= MOST_EMPTY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_and_empty_pages_are_fine_and_endless_ones_are_not() {
        assert!(!is_endless(1, 0));
        assert!(!is_endless(MOST_PAGES - 1, MOST_EMPTY - 1));
        assert!(is_endless(MOST_PAGES, 0), "ever-new links with items");
        assert!(is_endless(MOST_EMPTY, MOST_EMPTY), "ever-new links without any");
    }
}

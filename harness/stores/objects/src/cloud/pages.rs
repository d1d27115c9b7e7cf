//! Listings in pages, joined into one history after another.
//!
//! The store may end a page anywhere, also between the versions of a key. A key is complete only when another
//! key or the end of the listing has arrived.

use std::collections::{BTreeMap, VecDeque};

use comeback_error::{Error, Result};
use comeback_model::KeyHistory;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt as _, try_unfold};

/// A page: entries with their keys, those of one key in the store's order, and the start of the next page.
#[derive(Debug)]
pub(crate) struct Page<E, M> {
    pub(crate) entries: Vec<(String, E)>,
    pub(crate) next: Option<M>,
}

/// The histories in the pages of a listing, in the order of the keys. Only one page is in memory, and the
/// entries of the last key of the previous page.
pub(crate) fn histories<'a, E, M>(
    fetch: impl Fn(Option<M>) -> BoxFuture<'a, Result<Page<E, M>>> + Send + 'a,
    finish: fn(String, Vec<E>) -> KeyHistory,
) -> BoxStream<'a, Result<KeyHistory>>
where
    E: Send + 'a,
    M: Clone + PartialEq + Send + Sync + 'a,
{
    let start = Listing { fetch, finish, keys: Keys(None), told: VecDeque::new(), at: None, ended: false };
    let stream = try_unfold(start, |mut listing| async move {
        loop {
            if let Some(history) = listing.told.pop_front() {
                // Skip keys that have only delete markers.
                if history.versions.is_empty() {
                    continue;
                }
                return Ok(Some((history, listing)));
            }
            if listing.ended {
                return Ok(None);
            }
            listing.turn().await?;
        }
    });
    stream.boxed()
}

struct Listing<E, M, F> {
    fetch: F,
    finish: fn(String, Vec<E>) -> KeyHistory,
    keys: Keys<E>,
    told: VecDeque<KeyHistory>,
    /// The start of the last fetched page.
    at: Option<M>,
    ended: bool,
}

impl<'a, E, M, F> Listing<E, M, F>
where
    M: Clone + PartialEq,
    F: Fn(Option<M>) -> BoxFuture<'a, Result<Page<E, M>>>,
{
    /// Fetches the next page.
    async fn turn(&mut self) -> Result<()> {
        let page = (self.fetch)(self.at.clone()).await?;
        if page.next.is_some() && page.next == self.at {
            return Err(Error::could_not_verify("the store lists the same page again and again"));
        }
        let mut whole = self.keys.add(page.entries)?;
        self.ended = page.next.is_none();
        self.at = page.next;
        if self.ended {
            whole.extend(self.keys.0.take());
        }
        self.told.extend(whole.into_iter().map(|(key, entries)| (self.finish)(key, entries)));
        Ok(())
    }
}

/// The last key of the pages so far, and its entries.
struct Keys<E>(Option<(String, Vec<E>)>);

impl<E> Keys<E> {
    /// Adds a page, and returns the keys that are complete.
    fn add(&mut self, entries: Vec<(String, E)>) -> Result<Vec<(String, Vec<E>)>> {
        let mut keys: BTreeMap<String, Vec<E>> = BTreeMap::new();
        for (key, entry) in entries {
            keys.entry(key).or_default().push(entry);
        }
        if let Some((open, mut so_far)) = self.0.take() {
            if let Some((first, _)) = keys.first_key_value().filter(|(first, _)| **first < open) {
                let error = format!("the store lists its keys out of order: {first:?} after {open:?}");
                return Err(Error::could_not_verify(error));
            }
            so_far.extend(keys.remove(&open).unwrap_or_default());
            keys.insert(open, so_far);
        }
        self.0 = keys.pop_last();
        Ok(keys.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;
    use jiff::Timestamp;
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;
    use comeback_model::ObjectVersion;

    fn history(key: String, entries: Vec<u32>) -> KeyHistory {
        let version = |entry: u32| ObjectVersion {
            key: key.clone(),
            version: entry.to_string(),
            created_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
            bytes: 0,
            crc32c: None,
            attributes: None,
        };
        KeyHistory { versions: entries.into_iter().map(version).collect(), key }
    }

    async fn read(
        pages: Vec<Vec<(String, u32)>>,
        next: impl Fn(usize) -> Option<usize> + Send + Sync,
    ) -> Result<Vec<KeyHistory>> {
        let fetch = |at: Option<usize>| -> BoxFuture<'_, _> {
            let at = at.unwrap_or(0);
            let page = Page { entries: pages[at].clone(), next: next(at) };
            Box::pin(async move { Ok(page) })
        };
        histories(fetch, history).try_collect().await
    }

    proptest! {
        #[test]
        fn however_the_pages_are_cut_every_key_is_told_once_and_whole(
            sizes in proptest::collection::btree_map("[a-cü/]{1,3}", 1..5_u32, 0..8),
            cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8)
        ) {
            let all: Vec<_> = sizes
                .iter()
                .flat_map(|(key, versions)| (0..*versions).map(move |version| (key.clone(), version)))
                .collect();
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(all.len() + 1)).chain([0, all.len()]).collect();
            cuts.sort_unstable();
            let pages: Vec<_> = cuts.windows(2).map(|cut| all[cut[0]..cut[1]].to_vec()).collect();
            let last = pages.len() - 1;
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let found = runtime.block_on(read(pages, |at| (at < last).then_some(at + 1))).unwrap();
            let expected: Vec<_> =
                sizes.iter().map(|(key, versions)| history(key.clone(), (0..*versions).collect())).collect();
            prop_assert_eq!(found, expected);
        }
    }

    #[tokio::test]
    async fn a_listing_in_circles_or_out_of_order_is_an_error() {
        let page = |keys: &[&str]| keys.iter().map(|key| ((*key).to_owned(), 1)).collect::<Vec<_>>();
        let circle = read(vec![page(&["a"]), page(&["a"])], |_| Some(1)).await.unwrap_err();
        assert!(circle.message().contains("again and again"), "{circle}");
        let back =
            read(vec![page(&["b"]), page(&["a", "c"])], |at| (at == 0).then_some(1)).await.unwrap_err();
        assert!(back.message().contains("out of order"), "{back}");
    }
}

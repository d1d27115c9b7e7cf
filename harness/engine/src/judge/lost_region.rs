//! Does anything that came back still name what was lost with a region: an address, a folder, a bucket?

use async_trait::async_trait;
use comeback_error::{Error, Result};
use comeback_model::{Finding, FindingCode, NotLookedAt};
use memchr::memmem;

use super::{Judge, MOST_REPAIRS, Opinion};

/// Where an address was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The table, the database of keys, the secret, …
    pub subject: String,
    /// The row, the key, … of several.
    pub key: Option<String>,
    /// The address.
    pub address: String,
}

/// The search of one store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Search {
    /// What was searched: `41 tables, 9120 rows`.
    pub searched: String,
    /// What was found.
    pub traces: Vec<Trace>,
    /// What was not searched.
    pub not_looked_at: Vec<NotLookedAt>,
}

/// Checks that nothing names an address of the region that was lost. It knows the text of an address: another spelling,
/// or an address inside of compressed or encrypted bytes, is not seen.
pub struct LostRegion<'a> {
    /// The addresses.
    pub addresses: &'a [String],
    /// The searches of all stores.
    pub searches: &'a [Search],
}

#[async_trait]
impl Judge for LostRegion<'_> {
    fn name(&self) -> &'static str {
        "lost-region"
    }

    async fn judge(&self) -> Result<Opinion> {
        let Self { addresses, searches } = self;
        if addresses.is_empty() || searches.is_empty() {
            return Err(Error::could_not_verify(format!(
                "{} addresses of the lost region are known, and {} stores were searched",
                addresses.len(),
                searches.len()
            )));
        }
        let findings = searches.iter().flat_map(|search| &search.traces).map(|trace| {
            let found = format!("it names {}", trace.address);
            let finding = Finding::new(
                FindingCode::AddressStale,
                &trace.subject,
                "no address of the lost region",
                found,
            )
            .remedy("replace the address by that of the region that is in use");
            match &trace.key {
                Some(key) => finding.key(key),
                None => finding,
            }
        });
        let searched: Vec<_> = searches.iter().map(|search| search.searched.as_str()).collect();
        let summary = format!(
            "searched for {} addresses of the lost region in {}",
            addresses.len(),
            searched.join("; in ")
        );
        let not_looked_at = searches.iter().flat_map(|search| search.not_looked_at.iter().cloned());
        Ok(Opinion::new(summary, findings).at_most(MOST_REPAIRS).not_looked_at(not_looked_at))
    }
}

/// The addresses that a text contains, each between characters that are neither letters nor digits: `10.0.0.1` is not in
/// `10.0.0.12`.
pub fn named_in<'a>(text: &'a [u8], addresses: &'a [String]) -> impl Iterator<Item = &'a String> {
    let goes_on = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let is_in = move |address: &[u8]| {
        let mut places = memmem::find_iter(text, address);
        !address.is_empty()
            && places.any(|at| !goes_on(at.checked_sub(1)) && !goes_on(at.checked_add(address.len())))
    };
    addresses.iter().filter(move |address| is_in(address.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_place_that_names_a_lost_address_is_told() {
        let addresses = ["127.0.80.1".to_owned(), "/run/a".to_owned()];
        let trace = |key: Option<&str>| Trace {
            subject: "roadtrip.journeys".to_owned(),
            key: key.map(str::to_owned),
            address: addresses[0].clone(),
        };
        let clean = Search { searched: "12 keys".to_owned(), ..Search::default() };
        let dirty = Search { traces: vec![trace(Some("id=7")), trace(None)], ..clean.clone() };
        let judged = async |searches: &[Search]| LostRegion { addresses: &addresses, searches }.judge().await;
        let opinion = judged(&[clean.clone(), clean.clone()]).await.unwrap();
        assert_eq!(opinion.findings, []);
        assert_eq!(opinion.summary, "searched for 2 addresses of the lost region in 12 keys; in 12 keys");
        let found: Vec<_> =
            judged(&[clean, dirty]).await.unwrap().findings.iter().map(ToString::to_string).collect();
        let told = "expected no address of the lost region, found it names 127.0.80.1";
        assert_eq!(
            found,
            [
                format!("address-stale roadtrip.journeys id=7: {told}"),
                format!("address-stale roadtrip.journeys: {told}")
            ]
        );
        assert!(judged(&[]).await.is_err());
    }

    #[test]
    fn an_address_is_found_anywhere_in_a_text() {
        let addresses = ["10.0.0.1".to_owned(), String::new(), "b:6379".to_owned()];
        let found = |text: &str| named_in(text.as_bytes(), &addresses).cloned().collect::<Vec<_>>();
        assert_eq!(found("redis://b:6379/10.0.0.1"), ["10.0.0.1", "b:6379"]);
        for another in ["10.0.0.", "10.0.0.12", "110.0.0.1", ""] {
            assert_eq!(found(another), [""; 0]);
        }
        assert_eq!(found("10.0.0.12, 10.0.0.1"), ["10.0.0.1"]);
    }
}

//! A zone of the DNS with one record that a failover moves.

use std::fmt;
use std::net::Ipv4Addr;

use comeback_engine::secret::Secret;
use comeback_error::Result;

/// The name of the key in the configurations and in updates.
pub(crate) const KEY_NAME: &str = "failover";

/// An A record of a service: where its clients connect, and how long they may remember that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRecord {
    /// The address.
    pub address: Ipv4Addr,
    /// The TTL, in seconds, as zone files count it.
    pub ttl_s: u32,
}

impl fmt::Display for AddressRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "A {} with a TTL of {} s", self.address, self.ttl_s)
    }
}

/// The name of a service, in its zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceName {
    /// The zone, with its final dot: `roadtrip.example.`
    pub zone: String,
    /// The name in it, with its final dot: `www.roadtrip.example.`
    pub host: String,
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)
    }
}

/// The text of a zone file: the zone's two name servers, and the record of the service. Its serial is 1.
///
/// The addresses of the name servers serve nobody: the resolver of a drill knows where they are. The secondary asks for
/// a newer zone every second, should it miss a NOTIFY.
pub(crate) fn zone_file(name: &ServiceName, record: AddressRecord) -> String {
    let ServiceName { zone, host } = name;
    format!(
        "$TTL 60\n\
         {zone} IN SOA ns1.{zone} hostmaster.{zone} 1 1 1 3600 1\n\
         {zone} IN NS ns1.{zone}\n\
         {zone} IN NS ns2.{zone}\n\
         ns1.{zone} IN A 127.0.0.1\n\
         ns2.{zone} IN A 127.0.0.1\n\
         {host} {} IN A {}\n",
        record.ttl_s, record.address
    )
}

/// The key that signs updates and zone transfers (TSIG with HMAC-SHA-256).
#[derive(Debug, Clone)]
pub struct UpdateKey(Secret);

impl UpdateKey {
    /// A new random key.
    pub fn random() -> Result<Self> {
        Ok(Self(Secret::random()?))
    }

    /// The bytes of the key.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.0.expose().as_bytes()
    }
}

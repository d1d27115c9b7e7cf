//! What clients saw of a recovery, from outside.

use serde::{Deserialize, Serialize};

/// What clients saw of every service that they use. Times count from the declaration; what came before it counts as 0.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientsView {
    /// The services, in the order of the drill.
    pub services: Vec<ServiceView>,
    /// What became of their writes; `None` if the application did not say.
    pub writes: Option<ClientWrites>,
    /// Why that is not known; empty if it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub writes_unknown: String,
    /// How much longer clients wait as documented than they did in the drill, in milliseconds: a TTL was drilled with a
    /// shorter one.
    pub shortened_ms: u64,
}

/// What clients saw of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceView {
    /// What clients use, such as `bookings`.
    pub name: String,
    /// The priority tier of the plan that it belongs to; `None` if the plan does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Whether its requests write.
    pub writes: bool,
    /// When a request first failed, in milliseconds; `None` if none did.
    pub first_error_ms: Option<u64>,
    /// When a request was first answered rightly at the new address, in milliseconds; `None` if none was, or if the last
    /// request was not.
    pub back_ms: Option<u64>,
    /// Requests that failed from the loss until then.
    pub errors: u64,
    /// Requests that failed after it.
    pub later_errors: u64,
    /// Right answers at the new address.
    pub right: u64,
    /// Answers at the new address that were not right.
    pub wrong: u64,
    /// What the last request that failed or was answered wrongly was told; empty if there was none.
    pub last_problem: String,
}

/// What became of the writes that clients saw acknowledged before the loss.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientWrites {
    /// Those that were acknowledged before the backups began: each must be there.
    pub before_backup: u64,
    /// Those of them that are not.
    pub missing: u64,
    /// Those that were acknowledged later.
    pub after_backup: u64,
    /// Those of them that are lost.
    pub lost: u64,
}

impl ClientsView {
    /// When a tier was back for clients, as documented, in milliseconds; `None` if one of its services is not, or if no
    /// client uses one.
    pub fn tier_back_ms(&self, tier: &str) -> Option<u64> {
        let own = self.services.iter().filter(|service| service.tier.as_deref() == Some(tier));
        let back = own.map(|service| service.back_ms).collect::<Option<Vec<_>>>()?;
        back.into_iter().max().map(|ms| ms.saturating_add(self.shortened_ms))
    }

    /// When clients first wrote at the new address, in milliseconds; `None` if they did not.
    pub fn first_write_ms(&self) -> Option<u64> {
        self.services.iter().filter(|service| service.writes).filter_map(|service| service.back_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_back_with_the_last_of_its_services_and_the_documented_wait() {
        let service = |tier: Option<&str>, writes, back_ms| ServiceView {
            tier: tier.map(str::to_owned),
            writes,
            back_ms,
            ..ServiceView::default()
        };
        let view = ClientsView {
            services: vec![
                service(Some("Critical"), true, Some(40)),
                service(Some("Critical"), false, Some(70)),
                service(Some("High"), true, Some(30)),
                service(Some("High"), false, None),
                service(None, false, Some(5)),
            ],
            shortened_ms: 1_000,
            ..ClientsView::default()
        };
        let back = ["Critical", "High", "Low"].map(|tier| view.tier_back_ms(tier));
        assert_eq!((back, view.first_write_ms()), ([Some(1_070), None, None], Some(30)));
    }
}

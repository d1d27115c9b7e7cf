//! Objects that a dump does not contain, even an intact one.

use std::collections::BTreeSet;

use comeback_model::{Catalogue, NotLookedAt, ScopeKind};

use crate::content::catalogue::remove_owners;

/// Kinds that no dump contains: tablespaces, collation versions, and whether a subscription runs.
const NOT_CARRIED: [&str; 4] =
    ["collation version", "enabled subscription", "grant on constructor", "tablespace of"];

/// Removes from both catalogues what a dump does not contain.
pub(super) fn leave_out(recorded: &mut Catalogue, actual: &mut Catalogue) {
    for catalogue in [&mut *recorded, &mut *actual] {
        catalogue.objects.retain(|kind, _| !NOT_CARRIED.contains(&&**kind));
        // The comment of an extension that comes with the server.
        remove(catalogue, |kind, identity| kind == "comment" && identity == "extension plpgsql");
    }
    leave_out_invalid_indexes(recorded);
    leave_out_disabled_checks(recorded, actual);
    // A new database has both, even if the dump does not contain them.
    if !recorded.names("schema", "public") {
        let is_of_public =
            |identity: &str| identity == "schema public" || identity.starts_with("schema public to ");
        remove(actual, |kind, identity| match kind {
            "schema" => identity == "public",
            "owner" | "grant" | "comment" => is_of_public(identity),
            _ => false,
        });
    }
    if !recorded.names("extension", "plpgsql") {
        remove(actual, |kind, identity| kind == "extension" && identity == "plpgsql");
    }
}

/// Removes owners and grants from both catalogues if either does not know them, and tells it.
pub(super) fn leave_out_owners(recorded: &mut Catalogue, actual: &mut Catalogue) -> Option<NotLookedAt> {
    let knows = |catalogue: &Catalogue| catalogue.objects.contains_key("owner");
    let why = match (knows(recorded), knows(actual)) {
        (true, true) => return None,
        (_, false) => "the backup names no owner: it was written with --no-owner",
        (false, true) => "the reference was recorded from a backup that names no owner",
    };
    for catalogue in [recorded, actual] {
        remove_owners(catalogue);
    }
    Some(NotLookedAt::new(ScopeKind::ObjectKind, "owners and grants", why))
}

/// A dump leaves out an index that was not built to its end, except indexes of partitioned tables.
fn leave_out_invalid_indexes(recorded: &mut Catalogue) {
    let of = |kind: &str| recorded.objects.get(kind).cloned().unwrap_or_default();
    let (states, definitions) = (of("valid index"), of("index"));
    let is_left_over = |index: &str| {
        states.get(index).is_some_and(|state| state == "invalid")
            && !definitions.get(index).is_some_and(|definition| definition.contains(" ON ONLY "))
    };
    remove(recorded, |kind, identity| match kind {
        "index" | "valid index" => is_left_over(identity),
        "comment" => identity.strip_prefix("index ").is_some_and(is_left_over),
        "column storage" => identity.rsplit_once('.').is_some_and(|(index, _)| is_left_over(index)),
        _ => false,
    });
}

/// Foreign keys with disabled triggers are restored with enabled triggers.
fn leave_out_disabled_checks(recorded: &mut Catalogue, actual: &mut Catalogue) {
    let checks = recorded.objects.get("check of constraint").into_iter().flatten();
    let disabled: BTreeSet<String> =
        checks.filter(|(_, state)| *state != "on").map(|(identity, _)| identity.clone()).collect();
    for catalogue in [recorded, actual] {
        remove(catalogue, |kind, identity| kind == "check of constraint" && disabled.contains(identity));
    }
}

fn remove(catalogue: &mut Catalogue, unwanted: impl Fn(&str, &str) -> bool) {
    for (kind, objects) in &mut catalogue.objects {
        objects.retain(|identity, _| !unwanted(kind, identity));
    }
}

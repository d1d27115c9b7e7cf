//! What a statement of a dump needs from the server, by name: roles, extensions, tablespaces, locales.
//!
//! It reads the forms that `pg_dump` and `pg_dumpall` write. Of other forms nothing is learnt, and the server
//! says in the restore what it lacks.

use std::collections::{BTreeMap, BTreeSet};

use super::token::{Kind, next_token};
use super::words::Words;

/// What a dump uses a role for, in numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RoleUse {
    /// The objects that it owns.
    pub(crate) owns: u64,
    /// The statements that grant something to it or take something from it.
    pub(crate) grants: u64,
    /// Policies, user mappings, settings, memberships and so on.
    pub(crate) other: u64,
    /// Whether it owns something that only a superuser may own.
    pub(crate) must_be_superuser: bool,
}

/// What the statements of a dump need, and what they create of it themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Uses {
    /// The roles, without those of every server (`pg_…`).
    pub(crate) roles: BTreeMap<String, RoleUse>,
    /// The roles that it creates.
    pub(crate) created_roles: BTreeSet<String>,
    /// The extensions.
    pub(crate) extensions: BTreeSet<String>,
    /// The tablespaces.
    pub(crate) tablespaces: BTreeSet<String>,
    /// The tablespaces that it creates, and their folders.
    pub(crate) created_tablespaces: BTreeMap<String, String>,
    /// The databases that it creates.
    pub(crate) created_databases: BTreeSet<String>,
    /// The locales of the operating system, and the first place that names each.
    pub(crate) locales: BTreeMap<String, String>,
    /// The number of memberships that name who granted them.
    pub(crate) grantors: u64,
    /// The sequences whose positions it sets, as it names them.
    pub(crate) set_sequences: BTreeSet<String>,
}

/// What stands where a role is named, and is none.
const NO_ROLES: [&str; 5] = ["public", "current_user", "current_role", "session_user", "user"];
/// What only a superuser may own. Source: `ALTER EVENT TRIGGER`, `ALTER FOREIGN DATA WRAPPER` and, up to
/// PostgreSQL 15, `ALTER SUBSCRIPTION`.
const OF_SUPERUSERS: [&str; 3] = ["EVENT TRIGGER", "FOREIGN DATA WRAPPER", "SUBSCRIPTION"];
/// Tablespaces that every server has.
const USUAL_TABLESPACES: [&str; 3] = ["", "pg_default", "pg_global"];
/// Locales that need no files of the operating system.
const USUAL_LOCALES: [&str; 2] = ["C", "POSIX"];

impl Uses {
    /// Adds what one statement uses.
    pub(crate) fn add(&mut self, sql: &[u8]) {
        let mut words = Words::new(sql);
        match words.word().as_deref() {
            Some("alter") => self.alteration(&mut words),
            Some("create") => self.creation(&mut words),
            Some("grant" | "revoke") => self.grant(&mut words),
            Some("set") => self.setting(&mut words),
            Some("comment" | "security") => self.remark(&mut words),
            Some("select") => self.position(&mut words),
            _ => {}
        }
    }

    /// Adds what each statement of a text uses.
    pub(crate) fn add_all(&mut self, sql: &str) {
        let (text, mut begins, mut at) = (sql.as_bytes(), 0, 0);
        while let Some((kind, length)) =
            text.get(at..).filter(|rest| !rest.is_empty()).and_then(|rest| next_token(rest, false, true))
        {
            at += length;
            if kind == Kind::Semicolon {
                self.add(&text[begins..at]);
                begins = at;
            }
        }
        self.add(&text[begins..]);
    }

    /// Counts one more object of an owner; `kind` is what it is, in the words of `ALTER`.
    pub(crate) fn add_owner(&mut self, role: &str, kind: &str) {
        let is_of_superusers = OF_SUPERUSERS.contains(&kind.to_uppercase().as_str());
        self.role(Some(role.to_owned()), |uses| {
            uses.owns += 1;
            uses.must_be_superuser |= is_of_superusers;
        });
    }

    /// Notes a tablespace.
    pub(crate) fn add_tablespace(&mut self, name: &str) {
        if !USUAL_TABLESPACES.contains(&name) {
            self.tablespaces.insert(name.to_owned());
        }
    }

    /// Whether it says who owns anything: not if it was written with `--no-owner`.
    pub(crate) fn names_owners(&self) -> bool {
        self.roles.values().any(|uses| uses.owns > 0)
    }

    /// The roles that it uses and does not create.
    pub(crate) fn foreign_roles(&self) -> impl Iterator<Item = (&String, &RoleUse)> {
        self.roles.iter().filter(|(name, _)| !self.created_roles.contains(*name))
    }

    fn role(&mut self, name: Option<String>, count: impl Fn(&mut RoleUse)) {
        if let Some(name) = name.filter(|name| !name.is_empty() && !name.starts_with("pg_")) {
            count(self.roles.entry(name).or_default());
        }
    }

    fn locale(&mut self, name: Option<String>, place: &str) {
        if let Some(name) = name.filter(|name| !name.is_empty() && !USUAL_LOCALES.contains(&name.as_str())) {
            self.locales.entry(name).or_insert_with(|| place.to_owned());
        }
    }

    /// `SELECT pg_catalog.setval('public.t_id_seq', 7, true)`
    fn position(&mut self, words: &mut Words<'_>) {
        let function = words.table().map(|(_, name)| name);
        if function.as_deref() == Some("setval") && words.skip() {
            self.set_sequences.extend(words.text());
        }
    }

    fn alteration(&mut self, words: &mut Words<'_>) {
        if words.accept("role") {
            let role = words.name();
            return self.role(role, |uses| uses.other += 1);
        }
        if words.accept("default") {
            if words.seek("role") {
                let role = words.name();
                self.role(role, |uses| uses.other += 1);
            }
            if words.any_outside(|words| words.accept("grant") || words.accept("revoke")) {
                self.grant(words);
            }
            return;
        }
        let mut ahead = words.clone();
        let kind = OF_SUPERUSERS.iter().find(|kind| {
            ahead = words.clone();
            kind.split(' ').all(|word| ahead.accept(word))
        });
        let mut owner = None;
        words.any_outside(|words| {
            let mut ahead = words.clone();
            if ahead.accept("owner") && ahead.accept("to") {
                owner = ahead.name().filter(|name| !NO_ROLES.contains(&name.as_str()));
            }
            owner.is_some()
        });
        if let Some(owner) = owner {
            self.add_owner(&owner, kind.copied().unwrap_or_default());
        }
    }

    fn creation(&mut self, words: &mut Words<'_>) {
        match words.word().as_deref() {
            Some("role" | "user") if !words.accept("mapping") => {
                self.created_roles.extend(words.name());
            }
            Some("user") => {
                let is_for = words.accept("for");
                let role = words.role().filter(|_| is_for);
                self.role(role, |uses| uses.other += 1);
            }
            Some("extension") => {
                if words.accept("if") {
                    words.accept("not");
                    words.accept("exists");
                }
                self.extensions.extend(words.name());
            }
            Some("tablespace") => self.tablespace(words),
            Some("database") => self.database(words),
            Some("collation") => self.collation(words),
            Some("policy") if words.seek("to") => self.roles_of(words, |uses| uses.other += 1),
            Some("schema") if words.seek("authorization") => {
                let role = words.role();
                self.role(role, |uses| uses.owns += 1);
            }
            _ => {}
        }
    }

    fn tablespace(&mut self, words: &mut Words<'_>) {
        let Some(name) = words.name() else { return };
        if words.accept("owner") {
            let role = words.role();
            self.role(role, |uses| uses.owns += 1);
        }
        let folder = if words.accept("location") { words.text() } else { None };
        self.created_tablespaces.insert(name, folder.unwrap_or_default());
    }

    /// `CREATE DATABASE name WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'en_US.UTF-8' …`
    fn database(&mut self, words: &mut Words<'_>) {
        let name = words.name().unwrap_or_default();
        let place = format!("database {name}");
        self.created_databases.insert(name);
        loop {
            let option = words.word();
            words.accept_symbol(b"=");
            match option.as_deref() {
                Some("locale" | "lc_collate" | "lc_ctype") => {
                    let locale = words.text();
                    self.locale(locale, &place);
                }
                Some("tablespace") => {
                    if let Some(name) = words.name() {
                        self.add_tablespace(&name);
                    }
                }
                Some("owner") => {
                    let role = words.role();
                    self.role(role, |uses| uses.owns += 1);
                }
                _ if option.is_none() && !words.skip() => return,
                _ => {}
            }
        }
    }

    /// `CREATE COLLATION schema.name (provider = libc, locale = 'de_DE.utf8')`
    fn collation(&mut self, words: &mut Words<'_>) {
        let place = words.table().map(|(_, name)| format!("collation {name}")).unwrap_or_default();
        let (mut is_libc, mut locales) = (true, Vec::new());
        loop {
            let option = words.word();
            words.accept_symbol(b"=");
            match option.as_deref() {
                Some("provider") => is_libc = words.accept("libc"),
                Some("locale" | "lc_collate" | "lc_ctype") => locales.push(words.text()),
                _ if option.is_none() && !words.skip() => break,
                _ => {}
            }
        }
        for locale in locales.into_iter().filter(|_| is_libc) {
            self.locale(locale, &place);
        }
    }

    /// After GRANT or REVOKE: privileges on an object, or memberships, and then roles.
    fn grant(&mut self, words: &mut Words<'_>) {
        let mut before = words.clone();
        let is_membership = !words.clone().seek("on");
        if is_membership {
            self.roles_of(&mut before, |uses| uses.other += 1);
        }
        let names = words.any_outside(|words| words.accept("to") || words.accept("from"));
        if names {
            self.roles_of(words, |uses| uses.grants += 1);
        }
        if words.seek("granted") && words.accept("by") {
            let role = words.role();
            self.role(role, |uses| uses.other += 1);
            self.grantors += u64::from(is_membership);
        }
    }

    fn roles_of(&mut self, words: &mut Words<'_>, count: impl Fn(&mut RoleUse) + Copy) {
        loop {
            words.accept("group");
            let role = words.role();
            self.role(role, count);
            if !words.accept_symbol(b",") {
                return;
            }
        }
    }

    fn setting(&mut self, words: &mut Words<'_>) {
        if words.accept("default_tablespace") {
            words.accept_symbol(b"=");
            let name = words.text().or_else(|| words.name());
            return name.iter().for_each(|name| self.add_tablespace(name));
        }
        let is_role = words.accept("role") || (words.accept("session") && words.accept("authorization"));
        if is_role {
            let role =
                words.text().or_else(|| words.role()).filter(|role| role != "default" && role != "none");
            self.role(role, |uses| uses.owns += 1);
        }
    }

    fn remark(&mut self, words: &mut Words<'_>) {
        if words.seek("on") && words.accept("role") {
            let role = words.name();
            self.role(role, |uses| uses.other += 1);
        }
    }
}

impl Words<'_> {
    /// The name of a role; `None` for `PUBLIC` and the like.
    fn role(&mut self) -> Option<String> {
        let is_none = NO_ROLES.iter().any(|word| self.accept(word));
        if is_none { None } else { self.name() }
    }
}

/// Whether a statement drops the schema `public`, or creates it.
pub(crate) fn about_public(sql: &[u8]) -> Option<&'static str> {
    let mut words = Words::new(sql);
    let what = if words.accept("create") {
        "create"
    } else if words.accept("drop") {
        "drop"
    } else {
        return None;
    };
    words.accept("schema").then_some(())?;
    if words.accept("if") {
        words.accept("not");
        words.accept("exists");
        if what == "create" {
            return None;
        }
    }
    (words.name()? == "public").then_some(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_roles_of_a_dump_are_found() {
        let mut uses = Uses::default();
        uses.add_all(
            "ALTER TABLE public.t OWNER TO app_owner; ALTER SCHEMA s OWNER TO \"App Owner\";
             GRANT SELECT(a),UPDATE(b) ON TABLE public.t TO reader WITH GRANT OPTION;
             GRANT ALL ON SCHEMA public TO PUBLIC; REVOKE ALL ON FUNCTION f(to_me text) FROM cloudsqlsuperuser;
             GRANT a_group TO member WITH ADMIN OPTION GRANTED BY granter; GRANT pg_monitor TO member;
             ALTER DEFAULT PRIVILEGES FOR ROLE app_owner IN SCHEMA s GRANT SELECT ON TABLES  TO reader;
             CREATE POLICY p ON s.t FOR SELECT TO reader, public USING ((owner = 'to x'::text));
             CREATE USER MAPPING FOR mapped SERVER far OPTIONS (user 'x'); CREATE USER MAPPING FOR PUBLIC SERVER far;
             SET SESSION AUTHORIZATION 'session'; SET ROLE acting; ALTER ROLE set_up IN DATABASE d SET a TO 'b';
             CREATE ROLE reader; COMMENT ON ROLE remarked IS 'x'; CREATE SCHEMA z AUTHORIZATION schemer;
             CREATE FUNCTION f() RETURNS text AS $$ alter table x owner to nobody; $$ LANGUAGE sql",
        );
        let found: Vec<_> = uses.roles.keys().map(String::as_str).collect();
        assert_eq!(
            found,
            [
                "App Owner",
                "a_group",
                "acting",
                "app_owner",
                "cloudsqlsuperuser",
                "granter",
                "mapped",
                "member",
                "reader",
                "remarked",
                "schemer",
                "session",
                "set_up"
            ]
        );
        assert_eq!(uses.roles["reader"], RoleUse { grants: 2, other: 1, ..RoleUse::default() });
        assert_eq!(uses.roles["app_owner"], RoleUse { owns: 1, other: 1, ..RoleUse::default() });
        assert_eq!(uses.grantors, 1);
        assert!(uses.foreign_roles().all(|(name, _)| name != "reader"));
        uses.add(b"ALTER EVENT TRIGGER e OWNER TO schemer;");
        assert!(uses.roles["schemer"].must_be_superuser && !uses.roles["app_owner"].must_be_superuser);
    }

    #[test]
    fn extensions_tablespaces_and_locales_are_found() {
        let mut uses = Uses::default();
        uses.add_all(
            "CREATE EXTENSION IF NOT EXISTS \"uuid-ossp\" WITH SCHEMA public; CREATE EXTENSION hstore;
             SET default_tablespace = ''; SET default_tablespace = fast; SET default_tablespace = \"Slow disk\";
             CREATE TABLESPACE fast OWNER keeper LOCATION '/mnt/it''s';
             CREATE DATABASE app WITH TEMPLATE = template0 ENCODING = 'UTF8' LOCALE = 'en_US.UTF-8' TABLESPACE = big;
             CREATE DATABASE old WITH TEMPLATE = template0 ENCODING = 'UTF8' LC_COLLATE = 'C' LC_CTYPE = 'cs_CZ.UTF-8';
             CREATE COLLATION s.german (provider = libc, locale = 'de_DE');
             CREATE COLLATION s.other (provider = icu, locale = 'de-u-kn');",
        );
        assert_eq!(uses.extensions, ["hstore", "uuid-ossp"].map(String::from).into());
        assert_eq!(uses.tablespaces, ["Slow disk", "big", "fast"].map(String::from).into());
        assert_eq!(uses.created_tablespaces["fast"], "/mnt/it's");
        let locales: Vec<_> = uses.locales.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let wanted =
            [("cs_CZ.UTF-8", "database old"), ("de_DE", "collation german"), ("en_US.UTF-8", "database app")];
        assert_eq!(locales, wanted);
        assert_eq!(uses.roles["keeper"].owns, 1);
    }

    #[test]
    fn the_sequences_that_a_dump_sets_are_named() {
        let mut uses = Uses::default();
        uses.add_all("SELECT pg_catalog.setval('public.\"a''b\"', 7, true); SELECT pg_catalog.set_config('x', '', false);");
        assert_eq!(uses.set_sequences, ["public.\"a'b\"".to_owned()].into());
    }

    #[test]
    fn the_standard_schema_is_seen() {
        assert_eq!(about_public(b"DROP SCHEMA IF EXISTS public;"), Some("drop"));
        assert_eq!(about_public(b"CREATE SCHEMA public;"), Some("create"));
        assert_eq!(about_public(b"CREATE SCHEMA other;"), None);
    }
}

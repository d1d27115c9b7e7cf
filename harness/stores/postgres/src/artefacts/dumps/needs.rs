//! What a dump needs and the machine lacks: found before the restore, and told all at once.

use std::collections::{BTreeMap, BTreeSet};

use comeback_engine::artefact::{Creatable, Lack, VerifyOptions};
use comeback_model::{NotLookedAt, ScopeKind};

use super::machine::Machine;
use crate::artefacts::locales;
use crate::import::{RoleUse, Survey, Uses};

/// What a dump needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) uses: Uses,
    /// The major version of PostgreSQL, or a newer one.
    pub(super) major: Option<u32>,
    /// The tables that it creates.
    pub(super) tables: u64,
    /// How many times it loads rows.
    pub(super) loads: u64,
    /// The least room that a restore takes, in bytes.
    pub(super) bytes: u64,
}

/// Roles that exist only in the services of a cloud.
const OF_CLOUDS: [(&str, &str); 7] = [
    ("cloudsqlsuperuser", "Cloud SQL"),
    ("cloudsqladmin", "Cloud SQL"),
    ("alloydbsuperuser", "AlloyDB"),
    ("rdsadmin", "RDS and Aurora"),
    ("rds_superuser", "RDS and Aurora"),
    ("azure_pg_admin", "Azure"),
    ("azuresu", "Azure"),
];
/// The role of every new server, and the extension.
const OWN_ROLE: &str = crate::connection::address::SUPERUSER;
const OWN_EXTENSION: &str = "plpgsql";
/// The most names in one sentence.
const MOST_NAMES: usize = 12;

impl Needs {
    /// The roles that neither the dump creates nor a new server has.
    pub(super) fn roles(&self) -> BTreeMap<&str, RoleUse> {
        let foreign = self.uses.foreign_roles().filter(|(name, _)| *name != OWN_ROLE);
        foreign.map(|(name, uses)| (name.as_str(), *uses)).collect()
    }

    /// Adds what a file of globals creates and needs.
    pub(super) fn add_globals(&mut self, globals: &Survey) {
        self.uses.grantors += globals.uses.grantors;
        self.uses.created_roles.extend(globals.uses.created_roles.iter().cloned());
        let spaces = &globals.uses.created_tablespaces;
        self.uses.created_tablespaces.extend(spaces.iter().map(|(name, at)| (name.clone(), at.clone())));
        for (name, uses) in &globals.uses.roles {
            self.uses.roles.entry(name.clone()).or_default().other += uses.other;
        }
    }

    /// What of it does not come back as it was.
    pub(super) fn scope(&self) -> Vec<NotLookedAt> {
        let grantors = (self.uses.grantors > 0).then(|| {
            let what = format!("who granted {}", counted(self.uses.grantors, "membership"));
            let why = "our own role grants them: another first superuser may not";
            NotLookedAt::new(ScopeKind::ObjectKind, what, why)
        });
        grantors.into_iter().collect()
    }

    /// The tablespaces that it does not create.
    pub(super) fn tablespaces(&self) -> BTreeSet<&str> {
        let created = &self.uses.created_tablespaces;
        let used = self.uses.tablespaces.iter().filter(|name| !created.contains_key(*name));
        used.map(String::as_str).collect()
    }

    /// Whether anything of it depends on the machine.
    pub(super) fn depends_on_the_machine(&self) -> bool {
        !self.uses.locales.is_empty() || self.extensions().next().is_some()
    }

    fn extensions(&self) -> impl Iterator<Item = &String> {
        self.uses.extensions.iter().filter(|name| *name != OWN_EXTENSION)
    }

    /// What is missing whatever the machine: roles, tablespaces, tables.
    pub(super) fn lacks(&self, options: &VerifyOptions) -> Vec<Lack> {
        let may = |what| options.create_missing.contains(&what);
        let mut lacks = Vec::new();
        if !may(Creatable::Roles) {
            lacks.extend(self.lack_of_roles(options));
        }
        if !may(Creatable::Tablespaces) {
            lacks.extend(self.lack_of_tablespaces());
        }
        if self.tables == 0 && self.loads > 0 {
            lacks.push(Lack {
                what: "the tables that it loads: it is a dump of data alone".to_owned(),
                remedy: "verify a whole dump: pg_dump without --data-only and without --section".to_owned(),
            });
        }
        lacks
    }

    fn lack_of_roles(&self, options: &VerifyOptions) -> Option<Lack> {
        let roles = self.roles();
        if roles.is_empty() {
            return None;
        }
        let names: Vec<_> = roles.iter().map(|(name, uses)| format!("{name} ({})", told(*uses))).collect();
        let what = format!("{}: {}", counted(names.len() as u64, "role"), listed(&names));
        let services: BTreeSet<_> =
            OF_CLOUDS.iter().filter(|(name, _)| roles.contains_key(name)).map(|(_, cloud)| *cloud).collect();
        let only = match services.into_iter().collect::<Vec<_>>().join(", ") {
            services if services.is_empty() => String::new(),
            services => format!(" (some exist only in {services})"),
        };
        let globals = if options.globals.is_none() {
            "; or give them with --globals FILE, which pg_dumpall --globals-only writes"
        } else {
            ""
        };
        let remedy = format!("have them made up with --create-missing roles{only}{globals}");
        Some(Lack { what, remedy })
    }

    fn lack_of_tablespaces(&self) -> Option<Lack> {
        let created = self.uses.created_tablespaces.iter().map(|(name, at)| format!("{name} (at {at})"));
        let names: Vec<_> = self.tablespaces().into_iter().map(str::to_owned).chain(created).collect();
        let what = format!("{}: {}", counted(names.len() as u64, "tablespace"), listed(&names));
        let remedy = "have them made in the new server's own folder with --create-missing tablespaces";
        (!names.is_empty()).then(|| Lack { what, remedy: remedy.to_owned() })
    }

    /// What the machine lacks.
    pub(super) fn lacks_of(&self, machine: &Machine) -> Vec<Lack> {
        let mut lacks = Vec::new();
        if let Some(major) = self.major.filter(|major| *major > machine.major) {
            lacks.push(Lack {
                what: format!("PostgreSQL {major} or newer, and {} is here", machine.major),
                remedy: format!(
                    "local: apt-get install postgresql-{major}; docker: pull or build an image of {major}"
                ),
            });
        }
        lacks.extend(self.lack_of_extensions(machine));
        let wanted = self.uses.locales.iter().map(|(name, place)| (name.as_str(), place.as_str()));
        lacks.extend(machine.locales.as_ref().and_then(|installed| locales::lack(wanted, installed)));
        if let Some(free) = machine.free_bytes.filter(|free| *free < self.bytes) {
            lacks.push(Lack {
                what: format!("{} MB of disk, and {} MB are free", self.bytes >> 20, free >> 20),
                remedy: "free some space where the servers run, or use a larger disk".to_owned(),
            });
        }
        lacks
    }

    fn lack_of_extensions(&self, machine: &Machine) -> Option<Lack> {
        let available = machine.extensions.as_ref()?;
        let names: Vec<_> = self.extensions().filter(|name| !available.contains(*name)).cloned().collect();
        let what = format!("{}: {}", counted(names.len() as u64, "extension"), listed(&names));
        let remedy = format!(
            "install the packages that have them for PostgreSQL {} where the new server runs; with Docker, choose an \
             image that has them: `--image postgis/postgis:{}` has PostGIS",
            machine.major, machine.major
        );
        (!names.is_empty()).then_some(Lack { what, remedy })
    }
}

/// `owns 3 objects, 2 grants`
fn told(uses: RoleUse) -> String {
    let mut parts = Vec::new();
    if uses.owns > 0 {
        parts.push(format!("owns {}", counted(uses.owns, "object")));
    }
    if uses.grants > 0 {
        parts.push(counted(uses.grants, "grant"));
    }
    if parts.is_empty() { "is named".to_owned() } else { parts.join(", ") }
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The names, of which only the first are written out if they are many.
pub(super) fn listed(names: &[String]) -> String {
    let text = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(sql: &str) -> Needs {
        let mut needs = Needs { major: Some(17), tables: 1, bytes: 4 << 20, ..Needs::default() };
        needs.uses.add_all(sql);
        needs
    }

    #[test]
    fn everything_is_told_at_once_with_its_remedy() {
        let needs = needs(
            "ALTER TABLE public.t OWNER TO rdsadmin; ALTER VIEW public.v OWNER TO rdsadmin;
             GRANT SELECT ON TABLE public.t TO reader; ALTER TABLE public.t OWNER TO postgres;
             CREATE EXTENSION postgis; CREATE EXTENSION IF NOT EXISTS plpgsql; SET default_tablespace = fast;
             CREATE DATABASE app WITH TEMPLATE = template0 LOCALE = 'xx_XX.UTF-8';",
        );
        let machine = Machine {
            major: 15,
            extensions: Some(["plpgsql".to_owned()].into()),
            locales: Some(["en_US.utf8".to_owned()].into()),
            free_bytes: Some(1 << 20),
        };
        let lacks = [needs.lacks(&VerifyOptions::default()), needs.lacks_of(&machine)].concat();
        let what: Vec<_> = lacks.iter().map(|lack| lack.what.as_str()).collect();
        assert_eq!(
            what,
            [
                "2 roles: rdsadmin (owns 2 objects), reader (1 grant)",
                "1 tablespace: fast",
                "PostgreSQL 17 or newer, and 15 is here",
                "1 extension: postgis",
                "1 locale: xx_XX.UTF-8 (of database app)",
                "4 MB of disk, and 1 MB are free",
            ]
        );
        assert!(lacks[0].remedy.contains("--create-missing roles (some exist only in RDS and Aurora)"));
        let may = VerifyOptions {
            create_missing: [Creatable::Roles, Creatable::Tablespaces].into(),
            ..VerifyOptions::default()
        };
        assert_eq!(needs.lacks(&may), []);
    }

    #[test]
    fn data_without_its_tables_is_told() {
        let needs = Needs { loads: 3, ..Needs::default() };
        assert!(needs.lacks(&VerifyOptions::default())[0].what.contains("data alone"));
    }
}

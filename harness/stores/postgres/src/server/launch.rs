//! How a server is started: whom it admits, and which server it replicates.

/// Whom a server admits. Nobody logs in without a password.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Every role. Nobody replicates it over a network.
    #[default]
    Roles,
    /// Every role, and standbys.
    RolesAndStandbys,
    /// Every role, and no standby by whatever way.
    NoStandbys,
    /// Only the superuser, and standbys: the server is fenced.
    Fenced,
}

impl Admission {
    /// The text of `pg_hba.conf`. `all` in its first column does not stand for replication.
    pub(crate) fn rules(self) -> String {
        let (roles, standbys): (_, &[&str]) = match self {
            Self::Roles => ("all", &["local replication all"]),
            Self::RolesAndStandbys => ("all", &["local replication all", "host replication all all"]),
            Self::NoStandbys => ("all", &[]),
            Self::Fenced => ("postgres", &["local replication postgres", "host replication postgres all"]),
        };
        let own = [format!("local all {roles}"), format!("host all {roles} all")];
        let all = own.iter().map(String::as_str).chain(standbys.iter().copied());
        all.flat_map(|rule| [rule, " scram-sha-256\n"]).collect()
    }
}

/// How a server is started, beyond its settings.
#[derive(Debug, Clone, Default)]
pub(crate) struct Launch {
    /// Whom it admits.
    pub(crate) admission: Admission,
    /// The connection string of the server that it replicates; empty for none. It never holds a password.
    pub(crate) upstream: String,
    /// Its replication slot there; empty for none.
    pub(crate) slot: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fenced_server_admits_the_superuser_and_standbys_alone() {
        let fenced = Admission::Fenced.rules();
        assert!(fenced.lines().all(|rule| rule.contains(" postgres ")), "{fenced}");
        assert!(!Admission::NoStandbys.rules().contains("replication"));
        assert!(!Admission::Roles.rules().contains("host replication"));
    }
}

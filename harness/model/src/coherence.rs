//! Rules of the user about stores that must agree.

/// A rule: what things of one store name must be there in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoherenceRule {
    /// What must hold, as in `sessions have users`.
    pub name: String,
    /// What names something.
    pub naming: KeySource,
    /// What must be there.
    pub there: KeySource,
    /// What to do with a thing that names something else.
    pub repair: String,
}

/// Where keys come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// The first column of a query on the restored database. A second column says which thing names the key.
    Postgres {
        /// One statement.
        sql: String,
    },
    /// A field of each hash in Redis whose name has this beginning.
    RedisField {
        /// The beginning.
        prefix: String,
        /// The field.
        field: String,
    },
    /// What follows the beginning in the names of keys in Redis.
    RedisKeys {
        /// The beginning.
        prefix: String,
    },
    /// The keys of the live objects in the bucket of photos that have this beginning.
    Objects {
        /// The beginning; empty for all of them.
        prefix: String,
    },
    /// The lines that a command prints: a key, and behind a tab the thing that names it, if it has another name.
    Command {
        /// The program and its arguments.
        argv: Vec<String>,
    },
}

impl CoherenceRule {
    /// The name as it can be part of the name of a check: `sessions-have-users`.
    pub fn slug(&self) -> String {
        let words = self.name.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect::<Vec<_>>().join("-")
    }
}

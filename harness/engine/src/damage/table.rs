//! Damages as data: rows of tables, each with the function that injects it.

use std::any::Any;
use std::fmt;

use comeback_error::Result;
use comeback_model::FindingCode;
use futures_util::future::BoxFuture;

/// What is known of a damage before it is injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DamageSpec {
    /// The name on the command line, such as `row-gone`.
    pub name: &'static str,
    /// What it does, as a sentence without its full stop: `a row is deleted`.
    pub does: &'static str,
    /// The judge that must find it, by its name in reports.
    pub judge: &'static str,
    /// The finding that the judge must report.
    pub finding: FindingCode,
}

impl fmt::Display for DamageSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

/// What a damage applies to, and when: a restored cluster, the backups in a repository, …
pub trait Target: 'static {
    /// What the injecting function receives.
    type On<'a>: Send + Clone;
}

/// Where a damage is injected.
pub struct Aim<'a, T: Target> {
    /// The target.
    pub on: T::On<'a>,
    /// Selects one of the candidates.
    pub seed: u64,
}

/// What was damaged, as the judges should name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injury {
    /// The table, index, database, file, … that was damaged.
    pub subject: String,
    /// The key: `id=17` for a row, `key=session:17` for a key; `None` if the subject has no keys.
    pub key: Option<String>,
}

impl Injury {
    /// An injury to something that has no keys.
    pub fn to(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), key: None }
    }

    /// The same injury, to one key or row.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> Self {
        Self { key: Some(key.into()), ..self }
    }
}

/// A sentence for the evidence.
impl fmt::Display for Injury {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)?;
        self.key.as_ref().map_or(Ok(()), |key| write!(f, " {key}"))
    }
}

/// A named damage.
pub struct Damage<T: Target> {
    /// What is known of it.
    pub spec: DamageSpec,
    /// Injects it. If nothing can be damaged, the error is of kind *could not verify*.
    pub inject: for<'a> fn(Aim<'a, T>) -> BoxFuture<'a, Result<Injury>>,
}

/// Damages to one target.
pub struct DamageTable<T: Target> {
    /// Their class on the command line, such as `base-backup`.
    pub class: &'static str,
    /// The damages, in groups: one group for each file that defines some.
    pub groups: &'static [&'static [Damage<T>]],
    /// Which of them a self-test may inject into the same drill.
    pub sharing: Sharing,
}

/// Whether damages can share a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Each of them ends the drill, or hides what another does.
    None,
    /// They change what came back, and the drill goes on to its judges. Excepted are those that take other things
    /// with them, by name.
    AllBut(&'static [&'static str]),
}

impl<T: Target> DamageTable<T> {
    /// The damages, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &'static Damage<T>> + use<T> {
        self.groups.iter().copied().flatten()
    }
}

/// A table of any target.
pub trait Damages: Any + Send + Sync {
    /// The class of its damages.
    fn class(&self) -> &'static str;

    /// What is known of each of its damages, in their order.
    fn specs(&self) -> Vec<&'static DamageSpec>;

    /// Whether a damage can share a drill with others of the scenario.
    fn shares(&self, damage: &DamageSpec) -> bool;
}

impl<T: Target> Damages for DamageTable<T> {
    fn class(&self) -> &'static str {
        self.class
    }

    fn specs(&self) -> Vec<&'static DamageSpec> {
        self.iter().map(|damage| &damage.spec).collect()
    }

    fn shares(&self, damage: &DamageSpec) -> bool {
        match self.sharing {
            Sharing::None => false,
            Sharing::AllBut(apart) => !apart.contains(&damage.name),
        }
    }
}

impl fmt::Debug for dyn Damages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.specs().iter().map(|spec| spec.name)).finish()
    }
}

/// The damage with this name for one kind of target, from several tables.
pub fn find<T: Target>(tables: &[&'static dyn Damages], name: &str) -> Option<&'static Damage<T>> {
    let own = tables.iter().filter_map(|table| (*table as &dyn Any).downcast_ref::<DamageTable<T>>());
    own.flat_map(DamageTable::iter).find(|damage| damage.spec.name == name)
}

/// A number below `count`, derived from a seed.
pub fn choose(seed: u64, count: usize) -> usize {
    let spread = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 16;
    usize::try_from(spread % (count.max(1) as u64)).unwrap_or(0)
}

//! The damages that there are, out of the tables of those who inject them.

use super::{DamageSpec, Damages};

/// Damages of several tables: each once, in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// The damages. One that several stores have is in it once.
    pub damages: Vec<&'static DamageSpec>,
    /// Their classes.
    pub classes: Vec<&'static str>,
}

impl Catalogue {
    /// The damages of some tables.
    pub fn of(tables: impl IntoIterator<Item = &'static dyn Damages>) -> Self {
        let (mut damages, mut classes) = (Vec::<&DamageSpec>::new(), Vec::new());
        for table in tables {
            if !classes.contains(&table.class()) {
                classes.push(table.class());
            }
            for spec in table.specs() {
                if !damages.iter().any(|known| known.name == spec.name) {
                    damages.push(spec);
                }
            }
        }
        Self { damages, classes }
    }

    /// The damage of a name.
    pub fn find(&self, name: &str) -> Option<&'static DamageSpec> {
        self.damages.iter().copied().find(|damage| damage.name == name)
    }
}

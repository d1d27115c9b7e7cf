//! The damages that exist, collected from the tables of the stores.

use super::{DamageSpec, Damages};

/// The damages of several tables: each once, in the order of the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// The damages. A damage that several stores share is listed once.
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

    /// The damage with this name.
    pub fn find(&self, name: &str) -> Option<&'static DamageSpec> {
        self.damages.iter().copied().find(|damage| damage.name == name)
    }
}

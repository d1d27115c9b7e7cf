//! Random histories, random targets: compares the ledger's expectation with a replay of every record.

mod cases;
mod damage;
mod examples;
mod history;
mod mutants;
mod properties;
mod reference;

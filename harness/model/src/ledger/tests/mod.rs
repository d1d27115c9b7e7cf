//! Random histories, random targets: what the ledger expects against a replay of every record.

mod cases;
mod damage;
mod examples;
mod history;
mod mutants;
mod properties;
mod reference;

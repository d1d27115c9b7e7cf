//! Damages to a workload's writes: one for each kind of wrong write, so that each is found for its own
//! reason.

use std::collections::{BTreeMap, BTreeSet};

use comeback_engine::damage::{
    Aim, Damage, DamageSpec, DamageTable, Injury, Sharing, Target, WRITE_LOST, WRITE_PHANTOM,
};
use comeback_model::ledger::{Expectation, ObservedRow, Operation, Presence, Transaction, write_name};
use comeback_model::{FindingCode, Ledger};
use sqlx::PgConnection;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::database::{Database, nothing_to_damage};
use crate::error::{Context as _, Result};
use crate::{WORKLOAD_TABLE, read_writes};

/// A key that no workload uses.
const FOREIGN_KEY: i64 = i64::MAX;

/// The target of these damages: a workload's writes, in a restored database that matches the expectation.
pub struct Writes;

impl Target for Writes {
    type On<'a> = Written<'a>;
}

/// A workload's writes and where they are.
#[derive(Clone, Copy)]
pub struct Written<'a> {
    /// The restored database.
    pub database: Database<'a>,
    /// What the workload wrote.
    pub ledger: &'a Ledger,
    /// Which of them are expected in the database.
    pub expectation: &'a Expectation,
}

/// Damages to a workload's writes, for the judge of its ledger.
pub static TO_WRITES: DamageTable<Writes> = DamageTable {
    class: "writes",
    groups: &[&[
        Damage { spec: WRITE_LOST, inject: |aim| Box::pin(damage(aim, Surgeon::lost)) },
        Damage { spec: WRITE_PHANTOM, inject: |aim| Box::pin(damage(aim, |surgeon| Ok(surgeon.phantom()))) },
        Damage {
            spec: DamageSpec {
                name: "write-resurrected",
                does: "a row that was deleted is back, or one that was updated is as it was before",
                judge: "ledger",
                finding: FindingCode::WriteResurrected,
            },
            inject: |aim| Box::pin(damage(aim, Surgeon::resurrected)),
        },
        Damage {
            spec: DamageSpec {
                name: "write-torn",
                does: "one row of a transaction of several is gone",
                judge: "ledger",
                finding: FindingCode::WriteTorn,
            },
            inject: |aim| Box::pin(damage(aim, Surgeon::torn)),
        },
    ]],
    sharing: Sharing::AllBut(&[]),
};

async fn damage<'a>(aim: Aim<'a, Writes>, choose: fn(&Surgeon<'a>) -> Result<Cut>) -> Result<Injury> {
    let Aim { on: Written { database, ledger, expectation }, seed } = aim;
    let observed = read_writes(database.server.address(), database.name, ledger).await?;
    let open = ledger.transactions.iter().filter(|one| {
        observed.prepared.contains(&one.number) || expectation.of(one.number) == Presence::MayBeThere
    });
    let contested = open.flat_map(Transaction::effects).map(|operation| operation.key).collect();
    let cut = choose(&Surgeon { ledger, expectation, rows: observed.rows, contested, seed })?;
    cut.make(&mut database.connect().await?, ledger.id).await?;
    let key = write_name(cut.number, cut.remove.first().copied().or(cut.add.as_ref().map(|row| row.key)));
    Ok(Injury::to(WORKLOAD_TABLE).key(key))
}

/// Rows to remove, a row to add, and the transaction that the judge should name.
struct Cut {
    number: u64,
    remove: Vec<i64>,
    add: Option<ObservedRow>,
}

impl Cut {
    async fn make(&self, connection: &mut PgConnection, ledger: i64) -> Result<()> {
        sqlx::query("delete from comeback_workload.rows where ledger = $1 and key = any ($2)")
            .bind(ledger)
            .bind(&self.remove)
            .execute(&mut *connection)
            .await
            .context("damaging")?;
        if let Some(row) = &self.add {
            sqlx::query(
                "insert into comeback_workload.rows (ledger, key, txn, op, value) values ($1, $2, $3, $4, $5)",
            )
            .bind(ledger)
            .bind(row.key)
            .bind(row.number.cast_signed())
            .bind(i64::from(row.op))
            .bind(&row.value)
            .execute(connection)
            .await
            .context("damaging")?;
        }
        Ok(())
    }
}

struct Surgeon<'a> {
    ledger: &'a Ledger,
    expectation: &'a Expectation,
    rows: Vec<ObservedRow>,
    /// The keys of rows that a prepared transaction has locked, and of rows that a transaction without an
    /// answer may have written. If such a row is missing, that transaction may be the cause, and the judge
    /// cannot name another.
    contested: BTreeSet<i64>,
    seed: u64,
}

impl<'a> Surgeon<'a> {
    /// One of several, chosen by the seed.
    fn choose<T>(&self, among: impl Iterator<Item = (u64, T)>, what: &str) -> Result<T> {
        among
            .min_by_key(|(number, _)| xxh3_64_with_seed(&number.to_be_bytes(), self.seed))
            .map(|(_, one)| one)
            .ok_or_else(|| nothing_to_damage(what))
    }

    /// The transactions that must be there.
    fn there(&self) -> impl Iterator<Item = &'a Transaction> {
        let must = |one: &&Transaction| self.expectation.of(one.number) == Presence::MustBeThere;
        self.ledger.transactions.iter().filter(must)
    }

    /// Transactions that must be there, each with the keys of its rows that no later transaction changed.
    fn with_rows(&self) -> impl Iterator<Item = (&'a Transaction, Vec<i64>)> {
        let mut rows: BTreeMap<u64, Vec<i64>> = BTreeMap::new();
        for row in &self.rows {
            rows.entry(row.number).or_default().push(row.key);
        }
        self.there().filter_map(move |transaction| {
            let mut keys = rows.remove(&transaction.number)?;
            if keys.iter().any(|key| self.contested.contains(key)) {
                return None;
            }
            keys.sort_unstable();
            Some((transaction, keys))
        })
    }

    /// All rows of a transaction, none of which was changed since.
    fn lost(&self) -> Result<Cut> {
        let whole =
            self.with_rows().filter(|(transaction, keys)| keys.len() == transaction.effects().count());
        let cuts = whole.map(|(transaction, remove)| {
            (transaction.number, Cut { number: transaction.number, remove, add: None })
        });
        self.choose(cuts, "no transaction whose rows are all still there")
    }

    /// One row of a transaction whose other rows stay.
    fn torn(&self) -> Result<Cut> {
        let several = self.with_rows().filter(|(_, keys)| keys.len() > 1);
        let cuts = several.map(|(transaction, keys)| {
            let number = transaction.number;
            (number, Cut { number, remove: keys[..1].to_vec(), add: None })
        });
        self.choose(cuts, "no transaction with several rows that are still there")
    }

    /// A row as it was before its last write, by a transaction that did nothing else.
    fn resurrected(&self) -> Result<Cut> {
        let mut chains: BTreeMap<i64, Vec<(&Transaction, &Operation)>> = BTreeMap::new();
        for transaction in self.there() {
            for operation in transaction.effects().filter(|one| !self.contested.contains(&one.key)) {
                chains.entry(operation.key).or_default().push((transaction, operation));
            }
        }
        let cuts = chains.into_values().filter_map(|mut chain| {
            chain.sort_by_key(|(_, operation)| operation.sequence);
            let [.., (earlier, before), (last, _)] = chain[..] else { return None };
            let value = before.change.value()?.to_owned();
            let row = ObservedRow { key: before.key, number: earlier.number, op: before.op, value };
            let alone = last.effects().count() == 1;
            alone
                .then(|| (last.number, Cut { number: last.number, remove: vec![before.key], add: Some(row) }))
        });
        self.choose(cuts, "no row that was written twice")
    }

    /// A row of a transaction that must not be there; if there is none, of a transaction that never existed.
    fn phantom(&self) -> Cut {
        let not = |one: &&Transaction| self.expectation.of(one.number) == Presence::MustNotBeThere;
        let gone = self.ledger.transactions.iter().filter(not).map(|one| (one.number, one.number));
        let next = self.ledger.transactions.last().map_or(1, |last| last.number + 1);
        let number = self.choose(gone, "no such transaction").unwrap_or(next);
        let row = ObservedRow { key: FOREIGN_KEY, number, op: 1, value: "a phantom".to_owned() };
        Cut { number, remove: Vec::new(), add: Some(row) }
    }
}

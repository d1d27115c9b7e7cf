//! A plain SQL dump: definitions, and the rows of a large table.

use std::fmt::Write as _;

use comeback_postgres::{count_statements, cut_script};
use comeback_error::{Error, Result};
use criterion::{Criterion, Throughput};

const TABLES: usize = 200;
const ROWS: u32 = 100_000;
/// Without it, a dump is taken for one that was cut.
const COMPLETE: &str = "\n--\n-- PostgreSQL database dump complete\n--\n";

pub(crate) fn measure(criterion: &mut Criterion) -> Result<()> {
    let (begin, rows) = (definitions(), rows());
    let (dump, definitions) = (format!("{begin}\n{rows}{COMPLETE}"), begin + COMPLETE);
    if cut_script(dump.as_bytes())? < cut_script(definitions.as_bytes())? {
        return Err(Error::could_not_verify("fewer parts were found with rows than without"));
    }
    let mut group = criterion.benchmark_group("sql");
    group.throughput(Throughput::Bytes(definitions.len() as u64));
    group.bench_function("statements counted", |bencher| bencher.iter(|| count_statements(&definitions)));
    group.bench_function("definitions cut", |bencher| bencher.iter(|| cut_script(definitions.as_bytes())));
    group.throughput(Throughput::Bytes(dump.len() as u64));
    group.bench_function("dump cut", |bencher| bencher.iter(|| cut_script(dump.as_bytes())));
    group.finish();
    Ok(())
}

fn definitions() -> String {
    let mut sql = String::from("-- PostgreSQL database dump\n\nSET client_encoding = 'UTF8';\n");
    for table in 0..TABLES {
        // Writing into a string cannot fail.
        let _ = writeln!(
            sql,
            "\n--\n-- Name: t{table}; Type: TABLE\n--\n\nCREATE TABLE public.t{table} (\n    id bigint NOT NULL,\n    \
             body text DEFAULT 'it''s; here'::text,\n    CONSTRAINT c{table} CHECK ((id > 0))\n);\n\n\
             CREATE FUNCTION public.f{table}() RETURNS integer LANGUAGE plpgsql AS $_$\nBEGIN\n    \
             RETURN {table}; -- not the end\nEND;\n$_$;"
        );
    }
    sql
}

fn rows() -> String {
    let mut sql = String::from("COPY public.t0 (id, body) FROM stdin;\n");
    for row in 0..ROWS {
        let _ = writeln!(sql, "{row}\t{:064x}\\n{row}", u64::from(row) * 7919);
    }
    sql.push_str("\\.\n");
    sql
}

//! The rows of the sample application, as PostgreSQL sends them.

use comeback_fixtures::{Dataset, Scale};
use comeback_model::{ColumnFingerprint, KEY_BYTES, Sketch, SketchRow, TableFingerprint};
use comeback_postgres::cut_rows;
use comeback_error::{Error, Result};
use criterion::{Criterion, Throughput};

/// The header of a binary `COPY`; the number of the first row's fields follows.
const HEADER_BYTES: usize = 19;
const SKETCHED_ROWS: u32 = 100_000;

pub(crate) fn measure(criterion: &mut Criterion) -> Result<()> {
    let tables: Vec<Vec<u8>> = Dataset::new(7, Scale::Small)
        .tables()
        .iter()
        .map(|table| table.chunks().collect::<Vec<_>>().concat())
        .collect();
    let bytes: usize = tables.iter().map(Vec::len).sum();
    let hashed: u64 =
        tables.iter().map(|stream| fingerprint(stream).map(|table| table.rows)).sum::<Result<_>>()?;
    if hashed == 0 {
        return Err(Error::could_not_verify("the sample application has no rows"));
    }
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("cut", |bencher| {
        bencher.iter(|| tables.iter().map(|stream| cut(stream)).sum::<Result<u64>>());
    });
    group.bench_function("cut and fingerprinted", |bencher| {
        bencher.iter(|| tables.iter().map(|stream| fingerprint(stream)).collect::<Result<Vec<_>>>());
    });

    let rows: Vec<_> = (0..SKETCHED_ROWS).map(row).collect();
    group.throughput(Throughput::Elements(u64::from(SKETCHED_ROWS)));
    group.bench_function("sketched", |bencher| {
        bencher.iter(|| rows.iter().fold(Sketch::default(), added));
    });
    let before = rows.iter().fold(Sketch::default(), added);
    let after = rows.iter().skip(50).fold(Sketch::default(), added);
    group.throughput(Throughput::Elements(50));
    group.bench_function("read off two sketches", |bencher| {
        bencher.iter(|| before.difference(&after));
    });
    group.finish();
    Ok(())
}

fn cut(stream: &[u8]) -> Result<u64> {
    let mut rows = 0;
    cut_rows(stream, |_| {
        rows += 1;
        true
    })?;
    Ok(rows)
}

/// As of a table whose key is its first column.
fn fingerprint(stream: &[u8]) -> Result<TableFingerprint> {
    let columns =
        stream.get(HEADER_BYTES..).and_then(<[u8]>::first_chunk).copied().map_or(0, u16::from_be_bytes);
    let mut table = TableFingerprint::new((0..columns).map(|_| ColumnFingerprint::default()), 1);
    cut_rows(stream, |row| table.add_row(row))?;
    Ok(table)
}

fn row(number: u32) -> SketchRow {
    let mut key = [0; KEY_BYTES];
    key[..4].copy_from_slice(&number.to_be_bytes());
    SketchRow { key, digest: u128::from(number) << 64 | 7 }
}

fn added(mut sketch: Sketch, row: &SketchRow) -> Sketch {
    sketch.add(row);
    sketch
}

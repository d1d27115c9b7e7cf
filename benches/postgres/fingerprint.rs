//! The fingerprint of a database against other ways to read all of it.

use comeback_error::{Error, Result};
use comeback_postgres::fingerprint_tables;

use super::bench::{DATABASE, Table, World, rounds, say};

/// Both halves of the pages at once, thrown away: what reading everything costs at least.
const BARE_PIPE: &str = "
    half() {
        for table in narrow wide; do
            pages=$(psql -XAtc \"select relpages from pg_class where relname = '$table'\" bench)
            first=0
            part=0
            while [ $first -le $pages ]; do
                next=$((first + 8192))
                if [ $((part % 2)) = $1 ]; then
                    echo \"copy (select * from $table where ctid >= '($first,0)' and ctid < '($next,0)') to stdout (format binary);\"
                fi
                first=$next
                part=$((part + 1))
            done
        done | psql -Xq bench > /dev/null
    }
    half 0 & one=$!
    half 1 & two=$!
    wait $one
    wait $two";
const DUMP: &str = "pg_dump bench | sha256sum";
const SERVER_SIDE: &str = "
    psql -XAtc 'select sum(hashtext(t::text)::int8) from narrow t' bench & one=$!
    psql -XAtc 'select sum(hashtext(t::text)::int8) from wide t' bench & two=$!
    wait $one
    wait $two";

pub(crate) async fn compare() -> Result<()> {
    let world = World::new().await?;
    world.server.start(&[]).await?;
    world.fill().await?;
    let (server, mut table) = (&world.server, Table::default());
    world.shell(server, BARE_PIPE).await?;
    for _ in 0..rounds() {
        table.time("bare COPY (format binary), two pipes", world.shell(server, BARE_PIPE)).await?;
        table
            .time("fingerprint and sketch of every table", fingerprint_tables(server.address(), DATABASE))
            .await?;
        table.time("pg_dump | sha256sum", world.shell(server, DUMP)).await?;
        table.time("server-side sum(hashtext(row::text)), two", world.shell(server, SERVER_SIDE)).await?;
    }
    world.substrate.remove_all().await?;
    table.print("fingerprint")?;
    say(&format!("  this process took {} at most", peak_memory()?))
}

/// The most memory that this process ever had.
fn peak_memory() -> Result<String> {
    let status = std::fs::read_to_string("/proc/self/status");
    let status = status.map_err(|error| Error::could_not_verify(error.to_string()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    Ok(line.unwrap_or(" an unknown amount").trim().to_owned())
}

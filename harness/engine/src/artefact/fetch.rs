//! Copies files of a place onto this machine, for formats that cannot be restored from a stream.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use comeback_error::{Context as _, Error, Result};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{Place, PlaceEntry};
use crate::clock::Stopwatch;
use crate::repository::Reader;
use crate::substrate::{free_bytes, megabytes};

/// How many files are copied at once: most of the time of a small one is the wait for its first byte.
const FILES_AT_ONCE: usize = 4;
/// How much is copied at a time.
const COPY_BYTES: usize = 256 * 1024;
/// The time between two notes on progress.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// What must stay free on a disk: with less, servers fail with errors that explain nothing.
const RESERVE_BYTES: u64 = 64 << 20;

/// Takes a note on progress, in one sentence.
pub type Tell<'a> = &'a (dyn Fn(String) + Send + Sync);

/// Refuses what there is not enough room for in a folder. `what` is its subject: `the backup`.
pub fn ensure_room(folder: &Path, bytes: u64, what: &str) -> Result<()> {
    let free = free_bytes(folder)?;
    if free < bytes.saturating_add(RESERVE_BYTES) {
        return Err(Error::usage(format!(
            "{what} needs {} on the disk of {}, and {} are free",
            megabytes(bytes),
            folder.display(),
            megabytes(free)
        ))
        .hint("free some disk, or name a folder on another one with TMPDIR"));
    }
    Ok(())
}

/// Copies files of a place into a folder of this machine, under the same names. The folder must exist. A place that
/// is a single file is copied under `name`'s last part, or `backup`.
///
/// The room on the disk is checked before the first byte is fetched. A file that is shorter than it was listed is
/// *could not verify*: it changed, or the connection was cut. A name that leads out of the folder, or that no file
/// of this machine can have, is refused.
pub async fn fetch_into(
    place: &dyn Place,
    entries: &[PlaceEntry],
    folder: &Path,
    tell: Tell<'_>,
) -> Result<()> {
    let name = place.name();
    let total = entries.iter().map(|entry| entry.bytes).sum();
    ensure_room(folder, total, &name)?;
    let progress = Progress::begin(total, tell);
    let mut targets = Vec::new();
    for entry in entries {
        let Some(path) = target(&name, &entry.path)? else { continue };
        targets.push((entry, folder.join(path)));
    }
    stream::iter(targets)
        .map(Ok)
        .try_for_each_concurrent(FILES_AT_ONCE, |(entry, path)| fetch(place, entry, path, &progress))
        .await?;
    progress.tell();
    Ok(())
}

/// Copies a stream into a new file of this machine that only its owner can read, with the room checked on the way.
/// Returns its size. For what has no size before it has ended, such as the standard input.
pub async fn spool(name: &str, mut from: Reader, path: &Path) -> Result<u64> {
    let folder = path.parent().unwrap_or(path);
    let doing = format!("copying {name} to {}", path.display());
    let mut file = create(path).await.context(&doing)?;
    let (mut buffer, mut bytes) = (vec![0; COPY_BYTES], 0_u64);
    let mut checked = 0_u64;
    loop {
        let read = from.read(&mut buffer).await.context(&doing)?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        if bytes >= checked {
            ensure_room(folder, RESERVE_BYTES, name)?;
            checked = bytes + RESERVE_BYTES;
        }
        file.write_all(buffer.get(..read).unwrap_or_default()).await.context(&doing)?;
    }
    file.flush().await.context(&doing)?;
    Ok(bytes)
}

async fn fetch(place: &dyn Place, entry: &PlaceEntry, path: PathBuf, progress: &Progress<'_>) -> Result<()> {
    let doing = format!("fetching {} of {}", entry.path, place.name());
    if let Some(parent) = path.parent() {
        tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).await.context(&doing)?;
    }
    let mut from = place.open(&entry.path).await?;
    let mut file = create(&path).await.context(&doing)?;
    let (mut buffer, mut bytes) = (vec![0; COPY_BYTES], 0_u64);
    loop {
        let read = from.read(&mut buffer).await.context(&doing)?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        if bytes > entry.bytes {
            break;
        }
        file.write_all(buffer.get(..read).unwrap_or_default()).await.context(&doing)?;
        progress.add(read as u64);
    }
    file.flush().await.context(&doing)?;
    if bytes != entry.bytes {
        let error = Error::could_not_verify(format!(
            "{doing}: it was listed with {} bytes, and is not as long as that any more",
            entry.bytes
        ));
        return Err(error.hint("something writes there: verify a backup that is finished"));
    }
    Ok(())
}

async fn create(path: &Path) -> std::io::Result<tokio::fs::File> {
    tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await
}

/// The path below the folder; `None` for the mark that some tools put in place of a folder.
fn target(place: &str, path: &str) -> Result<Option<PathBuf>> {
    if path.is_empty() {
        let last = place.rsplit('/').next().filter(|last| !last.is_empty() && is_part(last));
        return Ok(Some(PathBuf::from(last.unwrap_or("backup"))));
    }
    if path.ends_with('/') && path.trim_end_matches('/').split('/').all(is_part) {
        return Ok(None);
    }
    if !path.split('/').all(is_part) {
        return Err(Error::could_not_verify(format!(
            "{place} holds `{path}`, and no file can have that name"
        ))
        .hint("a backup that is verified from a folder has plain names: copy it there without this one"));
    }
    Ok(Some(PathBuf::from(path)))
}

fn is_part(part: &str) -> bool {
    !part.is_empty() && part != "." && part != ".." && !part.contains('\0')
}

/// What has arrived, and since when.
struct Progress<'a> {
    total: u64,
    watch: Stopwatch,
    tell: Tell<'a>,
    arrived: Mutex<Arrived>,
}

#[derive(Default, Clone, Copy)]
struct Arrived {
    bytes: u64,
    told: Duration,
}

impl<'a> Progress<'a> {
    fn begin(total: u64, tell: Tell<'a>) -> Self {
        Self { total, watch: Stopwatch::start(), tell, arrived: Mutex::default() }
    }

    fn add(&self, bytes: u64) {
        let elapsed = self.watch.elapsed();
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        arrived.bytes += bytes;
        if elapsed.saturating_sub(arrived.told) >= TELL_EVERY {
            arrived.told = elapsed;
            (self.tell)(sentence(arrived.bytes, self.total, elapsed));
        }
    }

    fn tell(&self) {
        let bytes = self.arrived.lock().unwrap_or_else(PoisonError::into_inner).bytes;
        (self.tell)(sentence(bytes, self.total, self.watch.elapsed()));
    }
}

/// `fetched 120 MB of 1200 MB, 60 MB/s, 18 s left`
fn sentence(bytes: u64, total: u64, elapsed: Duration) -> String {
    let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001);
    let fetched = format!("fetched {} of {}", megabytes(bytes), megabytes(total));
    if bytes >= total || bytes == 0 {
        return format!("{fetched} in {:.1} s", elapsed.as_secs_f64());
    }
    let left = (total - bytes) as f64 / rate;
    format!("{fetched}, {:.1} MB/s, {left:.0} s left", rate / 1e6)
}

#[cfg(test)]
mod tests {
    use super::super::LocalPlace;
    use super::*;

    #[test]
    fn a_name_that_leads_out_or_is_none_is_refused() {
        let at = |path: &str| target("s3://b/base", path).map_err(|error| error.kind());
        assert_eq!(at("a/b"), Ok(Some("a/b".into())));
        assert_eq!(at(""), Ok(Some("base".into())));
        assert_eq!(at("a/"), Ok(None));
        for path in ["../a", "a/../b", "/a", "a//b", "./a", "a\0", "..", "//"] {
            assert_eq!(at(path), Err(comeback_error::ErrorKind::CouldNotVerify), "{path}");
        }
    }

    #[test]
    fn progress_names_rate_and_time_left() {
        let told = sentence(120_000_000, 1_200_000_000, Duration::from_secs(2));
        assert_eq!(told, "fetched 120 MB of 1200 MB, 60.0 MB/s, 18 s left");
        assert_eq!(sentence(7_000_000, 7_000_000, Duration::from_secs(2)), "fetched 7 MB of 7 MB in 2.0 s");
        assert_eq!(sentence(0, 0, Duration::ZERO), "fetched 0 MB of 0 MB in 0.0 s");
    }

    #[tokio::test]
    async fn a_folder_arrives_whole_and_a_file_that_changed_is_noticed() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir(from.path().join("d")).unwrap();
        std::fs::write(from.path().join("d/x"), vec![7; 300_000]).unwrap();
        std::fs::write(from.path().join("y"), "").unwrap();
        let place = LocalPlace::new(from.path());
        let mut entries = place.list().await.unwrap();
        let told = Mutex::new(Vec::new());
        let tell = |text| told.lock().unwrap().push(text);
        fetch_into(&place, &entries, to.path(), &tell).await.unwrap();
        assert_eq!(std::fs::read(to.path().join("d/x")).unwrap(), vec![7; 300_000]);
        assert_eq!(std::fs::read(to.path().join("y")).unwrap(), b"");
        assert_eq!(told.lock().unwrap().len(), 1);
        for length in [299_999, 300_001] {
            let again = tempfile::tempdir().unwrap();
            entries[0].bytes = length;
            let error = fetch_into(&place, &entries, again.path(), &tell).await.unwrap_err();
            assert!(error.message().contains("was listed with"), "{error}");
        }
        entries[0].bytes = u64::MAX / 2;
        let error = fetch_into(&place, &entries, to.path(), &tell).await.unwrap_err();
        assert_eq!(error.kind(), comeback_error::ErrorKind::Usage);
        assert!(error.message().contains(" are free"), "{error}");
    }
}

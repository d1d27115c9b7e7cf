//! Archives of `pg_dump`: custom, directory and tar.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{Artefact, ArtefactKind, Found, Lack, Restored, VerifyOptions};
use comeback_engine::repository::Reader;
use comeback_engine::runner::Course;
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{Finding, FindingCode, Phase};
use tokio::sync::Mutex;

use super::folder::ArchiveFolder;
use super::globals;
use super::machine::Machine;
use super::needs::Needs;
use super::server::{DATABASE, NewServer, brings};
use super::source::Source;
use super::tar::{begins_with_the_contents, may_hold_a_dump, table_of_contents};
use super::toc::{Contents, Flaw, Format, Head, MAGIC, TocReader};
use crate::Destination;
use crate::artefacts::RestoredCluster;
use crate::dump::run_pg_restore;
use crate::error::{Error, Result};
use crate::judges::Positions;

/// Recognises archives of `pg_dump`.
pub(super) struct ArchiveKind;

/// The file with the table of contents of a directory.
const TOC: &str = "toc.dat";
/// A restore takes at least the size of the archive for its copy, and as much for its rows.
const ROOM_FACTOR: u64 = 2;

/// How the archive is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// As `pg_dump --format=custom` writes it.
    Custom,
    /// As `pg_dump --format=tar` writes it.
    Tar,
    /// As `pg_dump --format=directory` writes it.
    Folder,
    /// Such a folder, packed by somebody with `tar`.
    PackedFolder,
}

impl Kept {
    fn describe(self) -> &'static str {
        match self {
            Self::Custom => "pg_dump archive, custom format",
            Self::Tar => "pg_dump archive, tar format",
            Self::Folder => "pg_dump archive, directory format",
            Self::PackedFolder => "pg_dump archive, directory format in a tar",
        }
    }
}

#[async_trait]
impl ArtefactKind for ArchiveKind {
    fn name(&self) -> &'static str {
        "pg-dump"
    }

    fn looks_for(&self) -> &'static str {
        "a pg_dump archive (PGDMP): a file, a tar, or a folder with toc.dat"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let single = found.single().is_some();
        let (path, kept) = if single && found.head.starts_with(MAGIC) {
            (String::new(), Kept::Custom)
        } else if single && begins_with_the_contents(&found.head) {
            (String::new(), Kept::Tar)
        } else if single && may_hold_a_dump(&found.head) {
            (String::new(), Kept::PackedFolder)
        } else if let Some(path) = folder_of_a_dump(found) {
            (path, Kept::Folder)
        } else {
            return Ok(None);
        };
        let source = |path| Source { place: found.place.clone(), path, options: options.clone() };
        let (toc, name) = (source(path.clone()), found.place.name());
        let Some(reader) = open_toc(&toc, kept).await? else { return Ok(None) };
        let (head, _) = TocReader::begin(reader).await.map_err(|flaw| in_its_head(&name, &flaw))?;
        if kept == Kept::Custom && head.format != Format::Custom {
            let what = format!("{name} is the table of contents of an archive, and not the archive");
            return Err(Error::usage(what).hint("name the folder that it is in, or the whole tar"));
        }
        let summary = ArtefactSummary {
            source: name,
            kind: found.describe(kept.describe()),
            bytes: Some(found.bytes()),
            taken_at: head.taken_at,
            software: Some(format!("PostgreSQL {}", head.server)),
            ..ArtefactSummary::default()
        };
        let prefix = path.strip_suffix(TOC).unwrap_or_default();
        let files = found.entries.iter().filter(|_| kept == Kept::Folder);
        let files = files.filter_map(|entry| {
            let name = entry.path.strip_prefix(prefix).filter(|name| is_a_file_of_a_dump(name))?;
            Some((name.to_owned(), source(entry.path.clone())))
        });
        let files = files.collect();
        Ok(Some(Arc::new(Archive { toc, kept, head, files, summary, contents: Mutex::default() })))
    }
}

/// The path of the one table of contents in a folder, at its top or in a folder of it.
fn folder_of_a_dump(found: &Found) -> Option<String> {
    if found.has(TOC) {
        return Some(TOC.to_owned());
    }
    let mut all = found.entries.iter().filter(|entry| entry.path.ends_with("/toc.dat"));
    all.next().filter(|_| all.next().is_none()).map(|entry| entry.path.clone())
}

/// `pg_dump` writes no folders, and its names need no quotes: `toc.dat`, `3351.dat.gz`, `blobs_16408.toc`.
fn is_a_file_of_a_dump(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(is_plain)
}

async fn open_toc(source: &Source, kept: Kept) -> Result<Option<Reader>> {
    let content = source.open().await?;
    Ok(match kept {
        Kept::Tar | Kept::PackedFolder => {
            let toc = table_of_contents(content).await;
            let toc = toc.map_err(|error| Error::from(source.unreadable(&error)))?;
            toc.map(|toc| Box::new(toc) as Reader)
        }
        Kept::Custom | Kept::Folder => Some(content),
    })
}

/// The error for an archive whose head cannot be read.
fn in_its_head(name: &str, flaw: &Flaw) -> Error {
    match flaw {
        Flaw::Version(major, minor) => {
            Error::could_not_verify(format!("{name} is an archive of version {major}.{minor}"))
                .hint("Comeback knows 1.12 to 1.16, which PostgreSQL 9.0 to 18 write")
        }
        Flaw::Io(error) => Error::could_not_verify(format!("reading {name}: {error}")),
        Flaw::Cut => Error::failed(format!("{name} is cut off in its head"))
            .hint("find out what cut the backup: its first bytes are all there is"),
        Flaw::Damaged(what) => Error::failed(format!("{name} is damaged in its head: {what}"))
            .hint("find out what changed the backup, and verify an older one"),
    }
}

/// An archive.
struct Archive {
    toc: Source,
    kept: Kept,
    head: Head,
    /// The files of a folder, by their names in it.
    files: Vec<(String, Source)>,
    summary: ArtefactSummary,
    /// What it holds and needs, once its table of contents was read.
    contents: Mutex<Option<(Contents, Needs)>>,
}

impl Archive {
    fn options(&self) -> &Arc<VerifyOptions> {
        &self.toc.options
    }

    async fn look(&self) -> Result<(Contents, Needs), RestoreFailure> {
        let read = async {
            let Some(reader) = open_toc(&self.toc, self.kept).await.map_err(RestoreFailure::from)? else {
                return Err(self.flawed(&Flaw::Cut));
            };
            let (_, toc) = TocReader::begin(reader).await.map_err(|flaw| self.flawed(&flaw))?;
            toc.contents().await.map_err(|flaw| self.flawed(&flaw))
        };
        let contents = read.await?;
        let mut needs = Needs {
            uses: contents.uses.clone(),
            major: self.head.major(),
            tables: contents.tables,
            loads: contents.loads,
            bytes: self.summary.bytes.unwrap_or_default().saturating_mul(ROOM_FACTOR),
        };
        if let Some(file) = &self.options().globals {
            needs.add_globals(&globals::look(file, self.options()).await?);
        }
        Ok((contents, needs))
    }

    /// The failure for a table of contents that cannot be read.
    fn flawed(&self, flaw: &Flaw) -> RestoreFailure {
        let (code, actual) = match flaw {
            Flaw::Cut => (FindingCode::BackupTruncated, "it ends inside it".to_owned()),
            Flaw::Damaged(what) => (FindingCode::BackupDamaged, what.clone()),
            Flaw::Version(..) | Flaw::Io(_) => return in_its_head(&self.summary.source, flaw).into(),
        };
        Finding::new(code, self.toc.name(), "a whole table of contents", actual)
            .remedy("restore an older export, and find out what cut or changed this one")
            .into()
    }

    async fn load(
        &self,
        course: &mut Course,
        contents: &Contents,
        needs: &Needs,
    ) -> Result<Box<dyn Restored>, RestoreFailure> {
        let options = self.options();
        let new = NewServer::start(course, &self.summary.source, needs, options).await?;
        let server = &new.server;
        course.step(Phase::Recover, "fetch the dump");
        let mut folder = ArchiveFolder::make(server).await?;
        let meter = course.meter(self.summary.bytes.unwrap_or_default());
        let restored = async {
            match self.kept {
                Kept::Custom | Kept::Tar => folder.put_file(server, &self.toc, &meter).await?,
                Kept::Folder => folder.put_files(server, &self.files, &meter).await?,
                Kept::PackedFolder => folder.unpack(server, &self.toc, &meter).await?,
            }
            self.run(course, &new, contents, &folder.archive).await
        };
        let restored = restored.await;
        folder.remove(server).await?;
        restored?;
        new.gather_statistics(course, options.jobs.max(1)).await?;
        let loaded = match contents.loads {
            0 => "without any rows".to_owned(),
            loads => format!("with the rows of {loads} tables and sets of large objects"),
        };
        let summary = new.summary(format!("pg_restore went through {} entries {loaded}", contents.entries));
        let brings = brings(needs, options, vec![self.database().to_owned()], contents.has_database());
        let NewServer { server, .. } = new;
        let positions = Positions::Set(contents.uses.set_sequences.clone());
        Ok(Box::new(RestoredCluster {
            server,
            summary,
            positions,
            options: options.clone(),
            brings,
            scope: needs.scope(),
        }))
    }

    /// The database that it is restored into.
    fn database(&self) -> &str {
        if self.head.database.is_empty() { DATABASE } else { &self.head.database }
    }

    /// Runs `pg_restore`. It creates the database, unless the archive creates what every new database has.
    async fn run(
        &self,
        course: &Course,
        new: &NewServer,
        contents: &Contents,
        archive: &str,
    ) -> Result<(), RestoreFailure> {
        let name = self.database();
        let creates = contents.has_database() && !contents.creates_public;
        let begin = if creates {
            new.make_way_for(&contents.uses).await?
        } else {
            new.make_way_for(&contents.uses).await?;
            new.create_as(name, contents).await?;
            if contents.creates_public {
                new.drop_public(name).await?;
            }
            name
        };
        // pg_restore cannot read a tar with several processes.
        let jobs = if self.kept == Kept::Tar { 1 } else { self.options().jobs.max(1) };
        course.step(Phase::Recover, "restore the dump with pg_restore, the first error fatal");
        course.note(format!("with {jobs} processes"));
        let options: &[&str] = if creates { &["--create"] } else { &[] };
        run_pg_restore(
            &Destination::from(&new.server),
            &self.summary.source,
            archive,
            begin,
            options,
            jobs,
            Some(course),
        )
        .await?;
        if !creates {
            new.finish_database(name, contents).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Artefact for Archive {
    fn summary(&self) -> ArtefactSummary {
        self.summary.clone()
    }

    async fn missing(&self, course: &mut Course) -> Result<Vec<Lack>> {
        if self.head.taken_at.is_some() {
            course.note("an archive holds its moment in its machine's local time; it is read as UTC");
        }
        // An archive that is cut off is the finding of the restore.
        let (contents, needs) = match self.look().await {
            Ok(looked) => looked,
            Err(RestoreFailure::Backup(_)) => return Ok(Vec::new()),
            Err(RestoreFailure::Other(error)) => return Err(error),
        };
        let mut lacks = needs.lacks(self.options());
        if needs.depends_on_the_machine() || !lacks.is_empty() {
            lacks.extend(needs.lacks_of(&Machine::look(course, needs.major).await?));
        }
        *self.contents.lock().await = Some((contents, needs));
        Ok(lacks)
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        let looked = self.contents.lock().await.take();
        let (contents, needs) = match looked {
            Some(looked) => looked,
            None => self.look().await?,
        };
        self.load(course, &contents, &needs).await
    }
}

//! Append-only files: a folder with a manifest, as Redis 7 and Valkey write it, or one file, as older servers do.

use std::sync::Arc;

use async_trait::async_trait;
use comeback_engine::RestoreFailure;
use comeback_engine::artefact::{
    Artefact, ArtefactKind, Decryptor, Found, Lack, Place, Restored, VerifyOptions, peel,
};
use comeback_engine::repository::Reader;
use comeback_engine::runner::Course;
use comeback_error::{Context as _, Error, Result};
use comeback_model::evidence::ArtefactSummary;
use comeback_model::{Finding, FindingCode, Phase};
use tokio::io::AsyncReadExt as _;

use super::head::RdbHead;
use super::load::{check_room, put, put_commands, put_rdb, start};
use super::restored::{RestoredRedis, lack_of_version};
use crate::{RedisNodes as _, RedisServer};

/// The end of a manifest's name.
const MANIFEST: &str = ".manifest";
/// A longer manifest is none: it has a line for each file.
const MANIFEST_BYTES: u64 = 1 << 20;
/// The end of the name of an RDB file.
const RDB: &str = ".rdb";
/// The name of a single file in the node.
const SINGLE: &str = "appendonly.aof";
/// The folder in the node, as in the default settings of the server.
const FOLDER: &str = "appendonlydir";
/// A file of several is loaded whole, whatever the server's default is: a cut tail is a finding.
const STRICT: [(&str, &str); 3] =
    [("appendonly", "yes"), ("aof-load-truncated", "no"), ("auto-aof-rewrite-percentage", "0")];

/// Recognises append-only files.
pub(super) struct AofKind;

#[async_trait]
impl ArtefactKind for AofKind {
    fn name(&self) -> &'static str {
        "aof"
    }

    fn looks_for(&self) -> &'static str {
        "an append-only file of Redis or Valkey, or the folder of one with its manifest"
    }

    async fn recognise(
        &self,
        found: &Found,
        options: &Arc<VerifyOptions>,
    ) -> Result<Option<Arc<dyn Artefact>>> {
        let Some(layout) = Layout::find(found, options.decryptor.as_deref()).await? else { return Ok(None) };
        let base = layout.base(found, options.decryptor.as_deref()).await?;
        let kind = match &layout {
            Layout::Single { .. } => found.describe("append-only file"),
            Layout::Several { files, .. } => format!("append-only file in {} files", files.len()),
        };
        let summary = ArtefactSummary {
            source: found.place.name(),
            kind,
            bytes: Some(layout.bytes(found)),
            software: base.as_ref().and_then(|base| base.software.clone()),
            ..ArtefactSummary::default()
        };
        let shadowed = shadowed(found, &layout).await?;
        let (place, options) = (found.place.clone(), options.clone());
        Ok(Some(Arc::new(Aof { place, layout, base, shadowed, summary, options })))
    }
}

/// How the file is kept.
enum Layout {
    /// One file.
    Single { path: String },
    /// Several files and the manifest that names them, in one folder.
    Several {
        /// The folder, with `/` at its end unless it is the place itself.
        folder: String,
        /// The manifest's name.
        manifest: String,
        files: Vec<Part>,
        /// Files that the manifest names and that are not there.
        lost: Vec<String>,
    },
}

/// A file that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: String,
    kind: char,
}

impl Layout {
    async fn find(found: &Found, decryptor: Option<&dyn Decryptor>) -> Result<Option<Self>> {
        if found.single().is_some() {
            return Ok(is_aof(&found.head).then(|| Self::Single { path: String::new() }));
        }
        let is_candidate = |path: &&str| path.ends_with(MANIFEST) && path.matches('/').count() <= 1;
        let mut several = None;
        for path in found.entries.iter().map(|entry| entry.path.as_str()).filter(is_candidate) {
            let Some(files) = read_manifest(found, path).await? else { continue };
            if several.is_some() {
                return Err(Error::usage(format!("{} holds several append-only files", found.place.name()))
                    .hint("name the folder of one of them"));
            }
            let (folder, manifest) = path.rfind('/').map_or(("", path), |at| path.split_at(at + 1));
            let is_there = |part: &&Part| found.has(&format!("{folder}{}", part.name));
            let lost = files.iter().filter(|part| !is_there(part)).map(|part| part.name.clone()).collect();
            let (folder, manifest) = (folder.to_owned(), manifest.to_owned());
            several = Some(Self::Several { folder, manifest, files, lost });
        }
        if several.is_some() {
            return Ok(several);
        }
        let single =
            found.entries.iter().find(|entry| entry.path.contains(".aof") && !entry.path.contains('/'));
        let Some(single) = single else { return Ok(None) };
        let peeled = found.peel(&single.path, decryptor).await?;
        Ok(is_aof(&peeled.head).then(|| Self::Single { path: single.path.clone() }))
    }

    /// The RDB file at the beginning, if there is one.
    async fn base(&self, found: &Found, decryptor: Option<&dyn Decryptor>) -> Result<Option<RdbHead>> {
        let path = match self {
            Self::Single { path } => path.clone(),
            Self::Several { folder, files, .. } => {
                let base =
                    files.iter().find(|part| part.kind == 'b').map(|part| format!("{folder}{}", part.name));
                let Some(base) = base.filter(|base| found.has(base)) else { return Ok(None) };
                base
            }
        };
        if found.single().is_some() {
            return Ok(RdbHead::read(&found.head));
        }
        Ok(RdbHead::read(&found.peel(&path, decryptor).await?.head))
    }

    fn bytes(&self, found: &Found) -> u64 {
        let size = |path: &str| found.entry(path).map_or(0, |entry| entry.bytes);
        match self {
            Self::Single { path } => size(path),
            Self::Several { folder, files, .. } => {
                files.iter().map(|part| size(&format!("{folder}{}", part.name))).sum()
            }
        }
    }
}

/// Whether a file begins with a command, with an annotation, or with an RDB file that commands follow.
fn is_aof(head: &[u8]) -> bool {
    let begins_command = || {
        let line = head.strip_prefix(b"*")?.split(|byte| *byte == b'\n').next()?.strip_suffix(b"\r")?;
        let is_number = !line.is_empty() && line.len() < 10 && line.iter().all(u8::is_ascii_digit);
        head.get(line.len() + 3..)?.starts_with(b"$").then_some(is_number)
    };
    head.starts_with(b"#TS:")
        || begins_command().unwrap_or(false)
        || RdbHead::read(head).is_some_and(|head| head.is_preamble)
}

/// The files that a manifest names, in its order, without those that are left over from before; `None` if it is
/// the manifest of something else. Source: `aof.c`, `aofLoadManifestFromFile`.
async fn read_manifest(found: &Found, path: &str) -> Result<Option<Vec<Part>>> {
    let mut text = Vec::new();
    let mut file = found.place.open(path).await?.take(MANIFEST_BYTES);
    file.read_to_end(&mut text).await.context(format!("reading {path} in {}", found.place.name()))?;
    let Some(files) = std::str::from_utf8(&text).ok().and_then(parse_manifest) else { return Ok(None) };
    // The name becomes a path in the node.
    match files.iter().find(|part| !is_plain(&part.name)) {
        Some(part) => Err(Error::could_not_verify(format!("{path} names the file `{}`", part.name)).hint(
            "names of letters, digits, `.`, `-` and `_` are copied to the throw-away server, no other ones",
        )),
        None => Ok(Some(files)),
    }
}

fn parse_manifest(text: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let words: Vec<_> = line.split(' ').collect();
        let after = |key: &str| {
            let at = words.iter().step_by(2).position(|word| *word == key)?;
            words.get(2 * at + 1).copied()
        };
        let (name, kind) = (after("file")?, after("type")?);
        after("seq")?.parse::<u64>().ok()?;
        match kind {
            "b" | "i" => {
                parts.push(Part { name: name.trim_matches('"').to_owned(), kind: kind.chars().next()? });
            }
            "h" => {}
            _ => return None,
        }
    }
    (!parts.is_empty()).then_some(parts)
}

fn is_plain(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ['.', '-', '_'].contains(&c);
    !name.is_empty() && !name.starts_with('.') && name.chars().all(is_plain)
}

/// RDB files beside the append-only file, which a server that keeps one never loads.
async fn shadowed(found: &Found, layout: &Layout) -> Result<Vec<String>> {
    let own = match layout {
        Layout::Single { .. } => "",
        Layout::Several { folder, .. } => folder,
    };
    let mut names = Vec::new();
    for entry in found.entries.iter().filter(|entry| entry.path.ends_with(RDB) && entry.bytes > 0) {
        let is_inside = !own.is_empty() && entry.path.starts_with(own);
        let is_part = is_inside || entry.path.contains(".base.rdb");
        if !is_part && RdbHead::read(&found.peel(&entry.path, None).await?.head).is_some() {
            names.push(entry.path.clone());
        }
    }
    Ok(names)
}

struct Aof {
    place: Arc<dyn Place>,
    layout: Layout,
    base: Option<RdbHead>,
    shadowed: Vec<String>,
    summary: ArtefactSummary,
    options: Arc<VerifyOptions>,
}

#[async_trait]
impl Artefact for Aof {
    fn summary(&self) -> ArtefactSummary {
        self.summary.clone()
    }

    async fn missing(&self, course: &mut Course) -> Result<Vec<Lack>> {
        let memory = self.base.as_ref().and_then(|base| base.used_memory_bytes).unwrap_or_default();
        check_room(course, self.summary.bytes.unwrap_or_default(), false, memory).await?;
        let version = self.base.as_ref().map_or(0, |base| base.version);
        Ok(lack_of_version(course, version).await?.into_iter().collect())
    }

    async fn restore(&self, course: &mut Course) -> Result<Box<dyn Restored>, RestoreFailure> {
        for name in &self.shadowed {
            course.note(format!(
                "{name} is beside the append-only file: a server with `appendonly yes` never loads it, and it was not \
                 looked at"
            ));
        }
        course.step(Phase::Recover, "create a new server");
        let server = course.redis_node("restored").await?;
        self.refuse_older(&server)?;

        course.step(Phase::Recover, "fetch the append-only file, and count its commands on the way");
        let contents = match &self.layout {
            Layout::Single { path } => self.fetch_single(&server, path).await?,
            Layout::Several { .. } => self.fetch_several(&server).await?,
        };

        course.step(Phase::Recover, "start the server, which loads it, and refuses one that is cut short");
        let name = match &self.layout {
            Layout::Single { .. } => SINGLE,
            Layout::Several { manifest, .. } => manifest.trim_end_matches(MANIFEST),
        };
        let settings = [&STRICT[..], &[("appendfilename", name)]].concat();
        start(&server, &self.place.name(), &settings).await?;
        let keys: u64 = server.connect(0).await?.key_counts().await?.values().sum();
        let summary = format!("the server loaded {contents}, and holds {keys} keys");
        course.note(&summary);
        let restored = RestoredRedis::new(server, summary, &self.options);
        Ok(Box::new(restored.of_append_only_file()))
    }
}

impl Aof {
    fn refuse_older(&self, server: &RedisServer) -> Result<()> {
        let version = server.version();
        if matches!(self.layout, Layout::Several { .. }) && version.product == "redis" && version.major < 7 {
            return Err(Error::could_not_verify(format!(
                "{version} knows no append-only file in several files"
            ))
            .hint("verify it on Redis 7 or newer, or on Valkey"));
        }
        Ok(())
    }

    async fn fetch_single(&self, server: &RedisServer, path: &str) -> Result<String, RestoreFailure> {
        let name = self.name_of(path);
        let (content, head) = self.open(path).await?;
        let to = format!("{}/{SINGLE}", server.data_dir());
        if RdbHead::read(&head).is_some() {
            put(server, &name, content, &to).await?;
            return Ok("an RDB file and the commands behind it".to_owned());
        }
        Ok(format!("{} commands", put_commands(server, &name, content, &to).await?))
    }

    async fn fetch_several(&self, server: &RedisServer) -> Result<String, RestoreFailure> {
        let Layout::Several { folder, manifest, files, lost } = &self.layout else {
            return Ok(String::new());
        };
        if let Some(name) = lost.first() {
            return Err(Finding::new(
                FindingCode::BackupDamaged,
                self.name_of(manifest),
                format!("the file {name}"),
                "no such file",
            )
            .remedy("verify an older backup, and copy every file that the manifest names")
            .into());
        }
        let inside = format!("{}/{FOLDER}", server.data_dir());
        let (mut keys, mut commands, mut increments) = (None, 0, 0);
        for Part { name, kind } in files {
            let path = format!("{folder}{name}");
            let (content, head) = self.open(&path).await?;
            let (told, to) = (self.name_of(&path), format!("{inside}/{name}"));
            if *kind == 'b' && RdbHead::read(&head).is_some() {
                keys = Some(put_rdb(server, &told, content, &to, false).await?.keys);
            } else {
                commands += put_commands(server, &told, content, &to).await?;
                increments += u64::from(*kind == 'i');
            }
        }
        let (content, _) = self.open(&format!("{folder}{manifest}")).await?;
        put(server, &self.name_of(manifest), content, &format!("{inside}/{manifest}")).await?;
        let base = keys.map_or(String::new(), |keys| format!("{keys} keys of the base and "));
        Ok(format!("{base}{commands} commands of {increments} increments"))
    }

    fn name_of(&self, path: &str) -> String {
        if path.is_empty() { self.place.name() } else { format!("{}/{path}", self.place.name()) }
    }

    async fn open(&self, path: &str) -> Result<(Reader, Vec<u8>)> {
        let decryptor = self.options.decryptor.as_deref();
        let peeled = peel(&self.name_of(path), self.place.open(path).await?, decryptor).await?;
        Ok((peeled.content, peeled.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_append_only_file_is_known_by_its_first_bytes() {
        let preamble = b"REDIS0010\xFA\x09redis-ver\x067.0.15\xFA\x08aof-base\xC0\x01";
        for head in [&b"*2\r\n$6\r\nSELECT\r\n"[..], b"#TS:1700000000\r\n", preamble] {
            assert!(is_aof(head), "{head:?}");
        }
        let rdb = b"REDIS0010\xFA\x08aof-base\xC0\x00";
        for head in [&b"*bold*"[..], b"* a list\n$5", b"*\r\n$", b"", b"*3", rdb] {
            assert!(!is_aof(head), "{head:?}");
        }
    }

    #[test]
    fn a_manifest_names_files_in_order() {
        let text = "file a.aof.2.base.rdb seq 2 type b\nfile a.aof.1.base.rdb seq 1 type h\n\
                    file a.aof.3.incr.aof seq 3 type i startoffset 17\n";
        let parts = parse_manifest(text).unwrap();
        let names: Vec<_> = parts.iter().map(|part| (part.name.as_str(), part.kind)).collect();
        assert_eq!(names, [("a.aof.2.base.rdb", 'b'), ("a.aof.3.incr.aof", 'i')]);
        for other in ["", "{\"manifest\": 1}", "file a seq x type b", "file a type b", "file a seq 1 type z"]
        {
            assert_eq!(parse_manifest(other), None, "{other}");
        }
        assert!(is_plain("a.aof.2.base.rdb") && !is_plain("../a") && !is_plain("a b") && !is_plain(""));
    }

    proptest! {
        #[test]
        fn any_text_is_a_manifest_or_none_without_panic(text in "\\PC{0,80}") {
            let _ = parse_manifest(&text);
            let _ = is_aof(text.as_bytes());
        }
    }
}

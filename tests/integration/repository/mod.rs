//! The promises of a repository, tested by the same functions for each implementation.

#[cfg(all(feature = "gcs", feature = "s3"))]
mod buckets;
mod promises;
mod trust;
mod uploads;

use std::any::Any;
use std::path::Path;
use std::sync::Arc;

use comeback_engine::repository::{
    Decryptor, Encryptor, GuardedRepository, Keyring, LocalRepository, Repository, SealedRepository,
};
use comeback_secrets::{Identities, IdentityDecryptor, RecipientEncryptor, Recipients, make_identity};
use futures_util::future::BoxFuture;

/// Changes the content of a backup's file as it is stored, or removes the file.
type Spoil = Box<dyn Fn(String, String, Option<Vec<u8>>) -> BoxFuture<'static, ()> + Send + Sync>;

/// A repository, and a way to damage its files from outside.
struct Bench {
    repository: Arc<dyn Repository>,
    spoil: Spoil,
    /// The same for the log archive of a cluster.
    spoil_log: Spoil,
    /// More than fit into two parts of an upload.
    large_bytes: usize,
    /// Whether the store decides in one step between several that write at once. moto looks first and writes then.
    decides: bool,
    /// What is removed together with it.
    _kept: Box<dyn Any + Send>,
}

async fn local() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let repository = Arc::new(LocalRepository::open(folder.path()).await.unwrap());
    in_folder(folder, repository)
}

/// A folder whose manifests are signed.
async fn signed() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let inner = Arc::new(LocalRepository::open(folder.path()).await.unwrap());
    let repository = Arc::new(GuardedRepository::new(inner, Keyring::random().unwrap(), false));
    in_folder(folder, repository)
}

/// A folder whose files are encrypted and whose manifests are signed.
async fn sealed() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("repository");
    let inner = Arc::new(LocalRepository::open(&root).await.unwrap());
    let signed = Arc::new(GuardedRepository::new(inner, Keyring::random().unwrap(), false));
    let (encryptor, decryptor) = keys(&folder.path().join("key"));
    let repository = Arc::new(SealedRepository::new(signed, Some(encryptor), Some(decryptor)));
    Bench { _kept: Box::new(folder), ..in_folder_of(&root, repository) }
}

/// A new key pair, whose private key is in a file.
fn keys(file: &Path) -> (Arc<dyn Encryptor>, Arc<dyn Decryptor>) {
    let public = make_identity(file).unwrap();
    let encryptor = RecipientEncryptor::new(Recipients::parse_any(&[public]).unwrap());
    let decryptor = IdentityDecryptor::new(Arc::new(Identities::read(file).unwrap()));
    (Arc::new(encryptor), Arc::new(decryptor))
}

fn in_folder(folder: tempfile::TempDir, repository: Arc<dyn Repository>) -> Bench {
    let bench = in_folder_of(folder.path(), repository);
    Bench { _kept: Box::new(folder), ..bench }
}

fn in_folder_of(root: &Path, repository: Arc<dyn Repository>) -> Bench {
    let (backups, logs) = (root.to_owned(), root.join("wal"));
    // The log of a cluster is in folders that are named by the first characters of a segment's name.
    let spoil = |root: std::path::PathBuf, shard: usize| -> Spoil {
        Box::new(move |of, file, content| {
            let path = root.join(of).join(&file[..shard]).join(file);
            Box::pin(async move {
                match content {
                    Some(content) => std::fs::write(path, content).unwrap(),
                    None => std::fs::remove_file(path).unwrap(),
                }
            })
        })
    };
    let (spoil, spoil_log) = (spoil(backups, 0), spoil(logs, 16));
    Bench { repository, spoil, spoil_log, large_bytes: 1 << 20, decides: true, _kept: Box::new(()) }
}

/// Makes a test of each promise for each repository in a folder, and one function of all promises: a server in front of a
/// bucket serves one test, and starting it takes longer than all of them.
macro_rules! promises {
    (@folder $name:ident: $($file:ident::$promise:ident,)*) => {
        mod $name {
            $(
                #[tokio::test]
                async fn $promise() {
                    super::$file::$promise(super::$name().await).await;
                }
            )*
        }
    };
    ($($file:ident [ $($promise:ident,)* ])*) => {
        promises! { @folder local: $($($file::$promise,)*)* }
        promises! { @folder signed: $($($file::$promise,)*)* }
        promises! { @folder sealed: $($($file::$promise,)*)* }

        /// Looks at every promise, each on a bench of its own.
        #[cfg(all(feature = "gcs", feature = "s3"))]
        async fn keeps_every_promise(bench: impl AsyncFn() -> Bench) {
            $($(Box::pin($file::$promise(bench().await)).await;)*)*
        }
    };
}

promises! {
    promises [
        what_is_written_is_read_again,
        the_newest_comes_first,
        nothing_is_listed_before_it_is_whole,
        a_draft_is_listed_once_it_is_finished,
        a_name_is_used_once,
        what_is_removed_is_gone,
        names_stay_inside,
        every_damage_to_a_file_is_named,
        a_manifest_that_cannot_be_read_is_a_failure,
        a_log_file_is_stored_once_and_read_again,
        another_content_under_a_log_files_name_is_refused,
        a_damaged_log_file_is_named,
        a_removed_log_file_is_gone_and_an_unknown_one_an_error,
        log_archives_are_apart_and_no_backups,
        names_stay_inside_the_log_archive,
    ]
    uploads [
        of_two_writers_of_one_name_one_is_refused,
        an_upload_that_is_dropped_leaves_nothing_listed,
        a_file_of_several_parts_comes_back,
        a_log_file_is_new_for_one_of_several_writers,
        many_log_files_are_listed_in_order,
        an_interrupted_copy_is_resumed_and_read_back,
        the_clusters_of_log_archives_are_listed,
    ]
}

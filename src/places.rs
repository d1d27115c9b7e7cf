//! Where the user's backups are, and what this binary knows to do with them.

use std::num::NonZeroUsize;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::sync::Arc;

use comeback_engine::artefact::{
    Artefact, Decryptor, LocalPlace, Place, SpooledPlace, VerifyOptions, recognise,
};
use comeback_error::{Context as _, Error, Result};
use comeback_objects::{BucketAddress, BucketPlace, open_live};
use comeback_secrets::{Identities, IdentityDecryptor};

/// Finds a backup and recognises it. `identity` names the private keys that open it.
pub(crate) async fn look_for(
    from: &str,
    identity: &[PathBuf],
    options: VerifyOptions,
) -> Result<Arc<dyn Artefact>> {
    let identities = match identity {
        [] => None,
        paths => Some(Arc::new(Identities::read_all(paths)?)),
    };
    let decryptor = |keys| Arc::new(IdentityDecryptor::new(keys)) as Arc<dyn Decryptor>;
    let options = Arc::new(VerifyOptions { decryptor: identities.clone().map(decryptor), ..options });
    let mut kinds = comeback_postgres::artefacts::kinds();
    kinds.extend(comeback_redis::artefacts::kinds());
    kinds.extend(comeback_secrets::artefacts::kinds(identities));
    kinds.extend(comeback_postgres::artefacts::last_kinds());
    recognise(&kinds, open_place(from).await?, &options).await
}

/// How many connections or processes work at once: as asked for, or one for each processor.
pub(crate) fn jobs(asked: Option<NonZeroUsize>) -> usize {
    asked.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
}

/// Opens a place: a path, `file:///PATH`, `gs://BUCKET/PREFIX`, `s3://BUCKET/PREFIX`, or `-` for the standard input,
/// which is copied to the scratch folder first.
pub(crate) async fn open_place(text: &str) -> Result<Arc<dyn Place>> {
    if text == "-" {
        let input = std::io::stdin().as_fd().try_clone_to_owned().context("opening the standard input")?;
        let input = Box::new(tokio::fs::File::from_std(input.into()));
        return Ok(Arc::new(SpooledPlace::spool("standard input", input).await?));
    }
    let Some((scheme, rest)) = text.split_once("://") else { return Ok(Arc::new(LocalPlace::new(text))) };
    match scheme {
        "file" if rest.starts_with('/') => Ok(Arc::new(LocalPlace::new(rest))),
        "gs" | "s3" => {
            // Keys may hold anything: only the first `/` separates.
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            let address: BucketAddress = format!("{scheme}://{bucket}").parse().map_err(Error::usage)?;
            Ok(Arc::new(BucketPlace::new(open_live(&address).await?, prefix)))
        }
        _ => Err(Error::usage(format!("`{text}` is no place that Comeback can read")).hint(
            "name a path, file:///PATH, gs://BUCKET/PREFIX, s3://BUCKET/PREFIX, or - for the standard input",
        )),
    }
}

/// The last part of a place, for the name of its verification.
pub(crate) fn short_name(text: &str) -> &str {
    if text == "-" {
        return "stdin";
    }
    text.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(text)
}

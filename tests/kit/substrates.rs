//! Opens a substrate of a test's own, on which nothing runs yet: processes of this machine, or containers of an image.

use std::sync::Arc;

use comeback_engine::substrate::{DockerSettings, DockerSubstrate, LocalSubstrate, RunIdentity, Substrate};

use super::require::or_skip;

/// The image with PostgreSQL 15 and Redis 7.0.
pub(crate) const BOOKWORM: &str = "comeback-servers:bookworm";
/// The image with PostgreSQL 17 and newer servers of Redis, which `scripts/setup --all` builds.
pub(crate) const TRIXIE: &str = "comeback-servers:trixie";

/// Processes of this machine.
pub(crate) fn local() -> Option<Arc<dyn Substrate>> {
    let run = RunIdentity::random(false).unwrap();
    Some(Arc::new(or_skip("local", LocalSubstrate::new(&run))?))
}

/// Containers of an image, or of the usual one.
pub(crate) async fn docker(image: Option<&str>) -> Option<Arc<dyn Substrate>> {
    let run = RunIdentity::random(false).unwrap();
    let settings = DockerSettings { image: image.map(str::to_owned) };
    Some(Arc::new(or_skip("docker", DockerSubstrate::new(&run, &settings).await)?))
}

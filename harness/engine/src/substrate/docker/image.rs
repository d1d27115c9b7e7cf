//! Chooses the image of a container.

use comeback_error::{Context, Error, Result};
use testcontainers::bollard::Docker;

use super::is_missing;
use crate::substrate::Software;

/// The image with every server that `make setup` builds from Debian's packages.
const BUILT_IMAGE: &str = "comeback-servers:bookworm";
/// The major version of PostgreSQL in it.
const BUILT_MAJOR: u32 = 15;
/// The same for a newer Debian, and its major version.
const NEWER_IMAGE: &str = "comeback-servers:trixie";
const NEWER_MAJOR: u32 = 17;

/// The settings of the Docker substrate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DockerSettings {
    /// The image of every node. If `None`, the official images are used if the daemon has them, otherwise the image
    /// that `make setup` builds. Nothing is ever downloaded.
    pub image: Option<String>,
}

/// An image that the daemon has.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// The part before the tag.
    pub(super) name: String,
    /// The part after the last colon.
    pub(super) tag: String,
    /// The names of the variables that it sets in every environment.
    pub(super) variables: Vec<String>,
    /// Its search path for programs.
    pub(super) path: String,
}

/// The suitable images, in order of preference.
pub(in crate::substrate) fn candidates(settings: &DockerSettings, software: Software) -> Vec<String> {
    let official: &[&str] = match software {
        Software::Postgres => &["postgres:15"],
        Software::Redis => &["redis:7"],
        Software::Bind => &["internetsystemsconsortium/bind9:9.18"],
        // Any image with the C library of a usual distribution.
        Software::Application => &["redis:7", "postgres:15"],
    };
    match &settings.image {
        Some(image) => vec![image.clone()],
        None => official.iter().chain([&BUILT_IMAGE]).map(|&image| image.to_owned()).collect(),
    }
}

/// Puts the images of a major version first, unless the user has named one.
fn preferring(
    others: Vec<String>,
    settings: &DockerSettings,
    software: Software,
    major: Option<u32>,
) -> Vec<String> {
    let (Some(major), None, Software::Postgres) = (major, &settings.image, software) else { return others };
    let built = match major {
        BUILT_MAJOR => Some(BUILT_IMAGE.to_owned()),
        // A dump of a version without an image of its own goes onto the next newer one.
        major if major <= NEWER_MAJOR && major > BUILT_MAJOR => Some(NEWER_IMAGE.to_owned()),
        _ => None,
    };
    let mut preferred: Vec<_> = [format!("postgres:{major}")].into_iter().chain(built).collect();
    preferred.extend(others.into_iter().filter(|other| !preferred.contains(other)).collect::<Vec<_>>());
    preferred
}

pub(in crate::substrate) async fn is_present(docker: &Docker, image: &str) -> Result<bool> {
    Ok(inspect(docker, image).await?.is_some())
}

/// The first image that the daemon has.
pub(super) async fn choose(
    docker: &Docker,
    settings: &DockerSettings,
    software: Software,
    major: Option<u32>,
) -> Result<Image> {
    let candidates = preferring(candidates(settings, software), settings, software, major);
    for candidate in &candidates {
        if let Some(image) = inspect(docker, candidate).await? {
            return Ok(image);
        }
    }
    Err(missing(&candidates))
}

/// The error if the daemon has none of these images.
fn missing(candidates: &[String]) -> Error {
    let error =
        Error::could_not_verify(format!("the Docker daemon has no image {}", candidates.join(" or ")));
    candidates.iter().fold(error, |error, image| match image.as_str() {
        BUILT_IMAGE => error.hint(format!("make setup builds {image} from Debian's packages")),
        _ => error.hint(format!("docker pull {image}")),
    })
}

async fn inspect(docker: &Docker, image: &str) -> Result<Option<Image>> {
    let found = match docker.inspect_image(image).await {
        Err(error) if is_missing(&error) => return Ok(None),
        found => found.context(format!("look for the image {image}"))?,
    };
    let environment = found.config.and_then(|config| config.env).unwrap_or_default();
    let path = environment.iter().find_map(|entry| entry.strip_prefix("PATH="));
    let (name, tag) = split(image);
    Ok(Some(Image {
        name,
        tag,
        path: path.unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").to_owned(),
        variables: environment.iter().filter_map(|entry| Some(entry.split_once('=')?.0.to_owned())).collect(),
    }))
}

/// Splits an image into name and tag. Joined with a colon they name the same image. `registry:5000/postgres` has a
/// colon but no tag; for a digest, the part after the colon serves as the tag.
fn split(image: &str) -> (String, String) {
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name.to_owned(), tag.to_owned()),
        _ => (image.to_owned(), "latest".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_from_their_tags() {
        for (image, name, tag) in [
            ("postgres:15", "postgres", "15"),
            ("postgres", "postgres", "latest"),
            ("registry:5000/postgres", "registry:5000/postgres", "latest"),
            ("registry:5000/postgres:15", "registry:5000/postgres", "15"),
            ("postgres@sha256:abc", "postgres@sha256", "abc"),
        ] {
            assert_eq!(split(image), (name.to_owned(), tag.to_owned()));
        }
    }

    #[test]
    fn the_images_of_the_wanted_version_go_first() {
        let order = |image: Option<&str>, major| {
            let settings = DockerSettings { image: image.map(str::to_owned) };
            preferring(candidates(&settings, Software::Postgres), &settings, Software::Postgres, major)
        };
        let usual = ["postgres:15", "comeback-servers:bookworm"];
        assert_eq!(order(None, None), usual);
        assert_eq!(order(None, Some(15)), usual);
        assert_eq!(order(None, Some(17)), [&["postgres:17", "comeback-servers:trixie"], &usual[..]].concat());
        assert_eq!(order(None, Some(16)), [&["postgres:16", "comeback-servers:trixie"], &usual[..]].concat());
        assert_eq!(order(None, Some(18)), [&["postgres:18"], &usual[..]].concat());
        assert_eq!(order(Some("ours:1"), Some(17)), ["ours:1"]);
    }

    #[test]
    fn a_missing_image_is_named_with_the_way_to_get_it() {
        let error = missing(&candidates(&DockerSettings::default(), Software::Redis));
        assert_eq!(error.message(), "the Docker daemon has no image redis:7 or comeback-servers:bookworm");
        assert_eq!(error.hints()[0], "docker pull redis:7");
        assert!(error.hints()[1].starts_with("make setup"));
    }
}

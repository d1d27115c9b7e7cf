//! The server software that the user chose for one backup.

use std::path::PathBuf;

use comeback_error::{Error, Result};

use super::{SubstrateChoice, SubstrateKind};

/// Where the servers of a backup come from. Each kind of substrate takes what is its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoftwareChoice {
    /// A Docker image.
    pub image: Option<String>,
    /// A folder of server programs on this machine.
    pub bin: Option<PathBuf>,
}

impl SoftwareChoice {
    /// Whether the user chose nothing.
    pub fn is_empty(&self) -> bool {
        self.image.is_none() && self.bin.is_none()
    }

    /// The substrate that can run it, if the user leaves the choice of the substrate open.
    pub fn substrate(&self, choice: SubstrateChoice) -> SubstrateChoice {
        match (choice, &self.image, &self.bin) {
            (SubstrateChoice::Auto, Some(_), None) => SubstrateChoice::Docker,
            (SubstrateChoice::Auto, None, Some(_)) => SubstrateChoice::Local,
            _ => choice,
        }
    }

    /// What servers of this kind of substrate come from, in a few words. A choice that is of no use to it is an error.
    pub fn describe(&self, kind: SubstrateKind) -> Result<String> {
        match (kind, &self.image, &self.bin) {
            (SubstrateKind::Docker, Some(image), _) => Ok(format!("servers come from the image {image}")),
            (SubstrateKind::Local, _, Some(bin)) => {
                Ok(format!("servers come from the programs in {}", bin.display()))
            }
            (SubstrateKind::Docker, None, _) => Err(Error::usage(
                "the backup names a folder of programs, and servers run in containers",
            )
            .hint("name an image as well (--image, or `image` of the [[backup]]), or use --substrate local")),
            (SubstrateKind::Local, _, None) => Err(Error::usage(
                "the backup names an image, and servers run as processes of this machine",
            )
            .hint(
                "name a folder of programs as well (--bin, or `bin` of the [[backup]]), or use --substrate docker",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_used_by_its_own_substrate_or_refused() {
        let image = SoftwareChoice { image: Some("postgis/postgis:15".to_owned()), bin: None };
        assert_eq!(image.substrate(SubstrateChoice::Auto), SubstrateChoice::Docker);
        assert_eq!(image.substrate(SubstrateChoice::Local), SubstrateChoice::Local);
        assert!(image.describe(SubstrateKind::Docker).unwrap().contains("postgis/postgis:15"));
        assert!(image.describe(SubstrateKind::Local).unwrap_err().hints()[0].contains("--bin"));
        let both = SoftwareChoice { bin: Some("/opt/pg/bin".into()), ..image };
        assert_eq!(both.substrate(SubstrateChoice::Auto), SubstrateChoice::Auto);
        assert!(both.describe(SubstrateKind::Local).unwrap().contains("/opt/pg/bin"));
    }
}

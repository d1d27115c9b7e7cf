//! Google Secret Manager: `gsm://PROJECT`.
//!
//! Of a secret, its name, labels, versions and their states are exported and imported. Other settings
//! (replication, rotation, topics, annotations, an own key, an expiry) are not looked at. A secret that an
//! import creates is replicated automatically.

mod client;
mod errors;
mod wire;

use std::collections::BTreeMap;

use async_trait::async_trait;
use comeback_engine::secret::SecretBytes;
use comeback_error::{Error, Result};
use comeback_model::VersionState;
use google_cloud_gax::error::rpc::Code;
use google_cloud_gax::paginator::ItemPaginator as _;
use google_cloud_secretmanager_v1::client::SecretManagerService;
use google_cloud_secretmanager_v1::model::{Replication, Secret, UpdateSecretRequest, replication};

use self::client::Endpoint;
use self::errors::{Words, code, told};
use super::names::check_value;
use super::{SecretDescription, SecretStore, check_labels, check_name};

type ClientResult<T> = google_cloud_secretmanager_v1::Result<T>;

/// The secrets of a project. Concurrent writers are detected by version numbers and etags.
#[derive(Debug, Clone)]
pub struct SecretManagerStore {
    client: SecretManagerService,
    project: String,
    endpoint: Endpoint,
}

impl SecretManagerStore {
    /// Opens the secrets of a project, with the application default credentials; or those in the emulator, if
    /// the environment names one in `SECRET_MANAGER_EMULATOR_HOST`.
    pub async fn open(project: &str) -> Result<Self> {
        Self::connect(project, Endpoint::from_env()?).await
    }

    /// Opens the secrets of a project in an emulator at `HOST:PORT`.
    pub async fn open_emulator(project: &str, host: &str) -> Result<Self> {
        Self::connect(project, Endpoint::emulator(host)?).await
    }

    /// Fails here for a project that is missing, or that we may not read. Otherwise the first query for a
    /// secret would fail, and the service would answer that there is no such secret.
    async fn connect(project: &str, endpoint: Endpoint) -> Result<Self> {
        let store = Self { client: endpoint.client().await?, project: project.to_owned(), endpoint };
        let looked = store.client.list_secrets().set_parent(store.parent()).set_page_size(1).send().await;
        looked.map_err(|error| store.refuse(&format!("opening {}", store.location()), &error))?;
        Ok(store)
    }

    fn parent(&self) -> String {
        format!("projects/{}", self.project)
    }

    fn secret(&self, name: &str) -> Result<String> {
        check_name(name)?;
        Ok(format!("projects/{}/secrets/{name}", self.project))
    }

    fn version(&self, name: &str, version: u64) -> Result<String> {
        Ok(format!("{}/versions/{version}", self.secret(name)?))
    }

    /// The error for a call about the project itself.
    fn refuse(&self, doing: &str, error: &google_cloud_secretmanager_v1::Error) -> Error {
        match code(error) {
            Some(Code::NotFound) => Error::usage(format!("{doing}: there is no project {}", self.project))
                .hint("name its id or its number, gsm://PROJECT: `gcloud projects list` shows them"),
            Some(Code::PermissionDenied) => told(doing, error, Words::Repeated)
                .hint("the service says the same of a project that does not exist: look at its name, too"),
            _ => told(doing, error, Words::Repeated),
        }
    }

    /// The result of a call that names a secret.
    fn of_secret<T>(&self, name: &str, doing: &str, words: Words, answer: ClientResult<T>) -> Result<T> {
        answer.map_err(|error| match code(&error) {
            Some(Code::NotFound) => Error::usage(format!("there is no secret {name} in {}", self.location())),
            _ => told(&format!("{doing} the secret {name} of {}", self.location()), &error, words),
        })
    }

    /// The result of a call that names a version.
    fn of_version<T>(&self, name: &str, version: u64, doing: &str, answer: ClientResult<T>) -> Result<T> {
        let which = format!("version {version} of the secret {name} of {}", self.location());
        answer.map_err(|error| match code(&error) {
            Some(Code::NotFound) => Error::usage(format!("there is no {which}")),
            // The version's state does not allow it; the service's message names the state.
            Some(Code::FailedPrecondition) => told(&format!("{doing} {which}"), &error, Words::Repeated)
                .into_kind(comeback_error::ErrorKind::Usage),
            _ => told(&format!("{doing} {which}"), &error, Words::Repeated),
        })
    }

    async fn get(&self, name: &str) -> Result<Option<Secret>> {
        let answer = self.client.get_secret().set_name(self.secret(name)?).send().await;
        match answer {
            Err(error) if code(&error) == Some(Code::NotFound) => Ok(None),
            answer => self.of_secret(name, "reading", Words::Repeated, answer).map(Some),
        }
    }
}

#[async_trait]
impl SecretStore for SecretManagerStore {
    fn location(&self) -> String {
        match &self.endpoint {
            Endpoint::Google => format!("gsm://{}", self.project),
            Endpoint::Emulator { host } => format!("gsm://{} of the emulator {host}", self.project),
        }
    }

    async fn list(&self) -> Result<Vec<String>> {
        let doing = format!("listing the secrets of {}", self.location());
        let mut secrets = self.client.list_secrets().set_parent(self.parent()).by_item();
        let mut names = Vec::new();
        while let Some(secret) = secrets.next().await {
            let secret = secret.map_err(|error| self.refuse(&doing, &error))?;
            names.push(wire::last_segment(&secret.name, "secrets")?.to_owned());
        }
        names.sort();
        Ok(names)
    }

    async fn describe(&self, name: &str) -> Result<Option<SecretDescription>> {
        let Some(secret) = self.get(name).await? else { return Ok(None) };
        let mut answers = self.client.list_secret_versions().set_parent(self.secret(name)?).by_item();
        let mut versions = BTreeMap::new();
        while let Some(version) = answers.next().await {
            let version = self.of_secret(name, "listing the versions of", Words::Repeated, version)?;
            versions.insert(wire::number(&version)?, wire::state(&version)?);
        }
        wire::check_no_gap(name, &versions)?;
        Ok(Some(SecretDescription { labels: secret.labels.into_iter().collect(), versions }))
    }

    async fn access(&self, name: &str, version: u64) -> Result<SecretBytes> {
        let path = self.version(name, version)?;
        let answer = self.client.access_secret_version().set_name(path).send().await;
        wire::value(name, version, self.of_version(name, version, "reading", answer)?)
    }

    async fn create(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<()> {
        check_name(name)?;
        check_labels(name, labels)?;
        let replication = Replication::new().set_automatic(replication::Automatic::new());
        let secret = Secret::new().set_replication(replication).set_labels(labels);
        let call = self.client.create_secret().set_parent(self.parent()).set_secret_id(name);
        match call.set_secret(secret).send().await {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some(Code::AlreadyExists) => {
                Err(Error::usage(format!("there is a secret {name} in {} already", self.location())))
            }
            Err(error) => {
                Err(self.refuse(&format!("creating the secret {name} in {}", self.location()), &error))
            }
        }
    }

    async fn set_labels(&self, name: &str, labels: &BTreeMap<String, String>) -> Result<()> {
        check_labels(name, labels)?;
        let unknown = || Error::usage(format!("there is no secret {name} in {}", self.location()));
        let found = self.get(name).await?.ok_or_else(unknown)?;
        // With the etag, the change fails if somebody else changes the secret in between.
        let secret = Secret::new().set_name(self.secret(name)?).set_etag(found.etag).set_labels(labels);
        let mut request = UpdateSecretRequest::new().set_secret(secret);
        request.update_mask.get_or_insert_default().paths = vec!["labels".to_owned()];
        let answer = self.client.update_secret().with_request(request).send().await;
        let is_overtaken = answer.as_ref().is_err_and(|error| code(error) == Some(Code::FailedPrecondition));
        let done = self.of_secret(name, "setting the labels of", Words::Repeated, answer).map(|_| ());
        let overtaken =
            "it was changed by somebody else meanwhile, or may not be: look at it, and try once more";
        done.map_err(|error| if is_overtaken { error.hint(overtaken) } else { error })
    }

    async fn add_version(&self, name: &str, value: &SecretBytes) -> Result<u64> {
        check_value(name, value)?;
        let call = self.client.add_secret_version().set_parent(self.secret(name)?);
        let answer = call.set_payload(wire::payload(value)).send().await;
        let version = self.of_secret(name, "adding a version to", Words::Withheld, answer)?;
        wire::number(&version)
    }

    async fn set_state(&self, name: &str, version: u64, state: VersionState) -> Result<()> {
        let path = self.version(name, version)?;
        let client = &self.client;
        let (doing, answer) = match state {
            VersionState::Enabled => ("enabling", client.enable_secret_version().set_name(path).send().await),
            VersionState::Disabled => {
                ("disabling", client.disable_secret_version().set_name(path).send().await)
            }
            VersionState::Destroyed => {
                ("destroying", client.destroy_secret_version().set_name(path).send().await)
            }
        };
        let is = wire::state(&self.of_version(name, version, doing, answer)?)?;
        if is == state {
            return Ok(());
        }
        let error = Error::could_not_verify(format!(
            "{doing} version {version} of the secret {name} of {}: it is {is} afterwards",
            self.location()
        ));
        Err(error.hint("look at the secret: one with a delayed destruction only disables a version at first"))
    }
}

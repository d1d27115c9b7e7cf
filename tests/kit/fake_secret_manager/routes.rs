//! The requests that the fake answers.

use std::collections::{BTreeMap, HashMap};

use axum::extract::{Path, Query, Request, State as FromState};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use comeback_secrets::{VALUE_BYTES, check_labels, check_name, crc32c};
use serde_json::{Value, json};

use super::project::{Secret, Version, VersionState};
use super::{Fault, NUMBER, PROJECT, Shared, State};

/// The most entries in one answer, whatever was asked for.
const PAGE: usize = 4;

type Answer = Result<Json<Value>, Refusal>;

/// A refusal, in the format of all Google APIs.
struct Refusal(StatusCode, &'static str, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let error = json!({ "code": self.0.as_u16(), "status": self.1, "message": self.2 });
        (self.0, Json(json!({ "error": error }))).into_response()
    }
}

fn not_found(what: impl std::fmt::Display) -> Refusal {
    Refusal(StatusCode::NOT_FOUND, "NOT_FOUND", format!("{what} not found."))
}

fn invalid(what: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "INVALID_ARGUMENT", what.into())
}

fn precondition(what: impl Into<String>) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, "FAILED_PRECONDITION", what.into())
}

pub(super) fn router(state: State) -> Router {
    let secrets = "/v1/projects/{project}/secrets";
    Router::new()
        .route(secrets, get(list).post(create))
        // A verb follows a colon in the last part.
        .route(&format!("{secrets}/{{secret}}"), get(describe).patch(update).post(add_version))
        .route(&format!("{secrets}/{{secret}}/versions"), get(list_versions))
        .route(&format!("{secrets}/{{secret}}/versions/{{version}}"), get(access).post(set_state))
        .layer(middleware::from_fn_with_state(state.clone(), before))
        .with_state(state)
}

/// Records a request, and applies faults.
async fn before(FromState(state): FromState<State>, request: Request, next: Next) -> Response {
    let refusal = {
        let mut shared = state.lock().unwrap();
        shared.requests.push(format!("{} {}", request.method(), request.uri()));
        let unavailable = || Refusal(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "Try again.".into());
        let too_many =
            || Refusal(StatusCode::TOO_MANY_REQUESTS, "RESOURCE_EXHAUSTED", "Quota exceeded.".into());
        match shared.fault {
            Some(Fault::Unavailable(left)) => {
                shared.fault = (left > 1).then_some(Fault::Unavailable(left - 1));
                Some(unavailable())
            }
            Some(Fault::TooMany(left)) => {
                shared.fault = (left > 1).then_some(Fault::TooMany(left - 1));
                Some(too_many())
            }
            Some(Fault::Unauthenticated) => {
                Some(Refusal(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", "Invalid credentials.".into()))
            }
            _ => None,
        }
    };
    match refusal {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

impl Shared {
    /// Refuses a caller who lacks a permission, and a project that does not exist.
    fn allow(&self, project: &str, permission: &'static str) -> Result<(), Refusal> {
        if project != PROJECT && project != NUMBER {
            return Err(not_found(format!("Project {project}")));
        }
        if self.fault == Some(Fault::Denied(permission)) {
            return Err(Refusal(
                StatusCode::FORBIDDEN,
                "PERMISSION_DENIED",
                format!("Permission '{permission}' denied on resource (or it may not exist)."),
            ));
        }
        Ok(())
    }

    fn known(&mut self, id: &str) -> Result<&mut Secret, Refusal> {
        self.project.find(id).ok_or_else(|| not_found(format!("Secret [projects/{NUMBER}/secrets/{id}]")))
    }
}

/// The page of a list that a request asks for, the newest first.
fn page(key: &str, mut all: Vec<Value>, query: &HashMap<String, String>) -> Answer {
    all.reverse();
    let wanted: usize = query.get("pageSize").and_then(|size| size.parse().ok()).unwrap_or(0);
    let size = if wanted == 0 { PAGE } else { wanted.min(PAGE) };
    let token = query.get("pageToken").map_or("", String::as_str);
    let start = if token.is_empty() { 0 } else { token.parse().map_err(|_| invalid("page_token"))? };
    let items: Vec<_> = all.iter().skip(start).take(size).cloned().collect();
    let next = if start + size < all.len() { (start + size).to_string() } else { String::new() };
    Ok(Json(json!({ key: items, "nextPageToken": next, "totalSize": all.len() })))
}

async fn list(
    FromState(state): FromState<State>,
    Path(project): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let shared = state.lock().unwrap();
    shared.allow(&project, "secretmanager.secrets.list")?;
    page("secrets", shared.project.secrets.iter().map(Secret::written).collect(), &query)
}

/// The labels in a request.
fn labels(id: &str, body: &Value) -> Result<BTreeMap<String, String>, Refusal> {
    let labels = body.get("labels").cloned().unwrap_or_else(|| json!({}));
    let labels = serde_json::from_value(labels).map_err(|error| invalid(error.to_string()))?;
    check_labels(id, &labels).map_err(|error| invalid(error.to_string()))?;
    Ok(labels)
}

async fn create(
    FromState(state): FromState<State>,
    Path(project): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    Json(body): Json<Value>,
) -> Answer {
    let mut shared = state.lock().unwrap();
    shared.allow(&project, "secretmanager.secrets.create")?;
    let id = query.get("secretId").cloned().unwrap_or_default();
    check_name(&id).map_err(|error| invalid(error.to_string()))?;
    if body["replication"]["automatic"].is_null() {
        return Err(invalid("Secret.replication is required."));
    }
    if shared.project.find(&id).is_some() {
        return Err(Refusal(
            StatusCode::CONFLICT,
            "ALREADY_EXISTS",
            format!("Secret [{id}] already exists."),
        ));
    }
    let secret = Secret { labels: labels(&id, &body)?, id, revision: 1, versions: Vec::new() };
    let written = secret.written();
    shared.project.secrets.push(secret);
    Ok(Json(written))
}

async fn describe(FromState(state): FromState<State>, Path((project, id)): Path<(String, String)>) -> Answer {
    let mut shared = state.lock().unwrap();
    shared.allow(&project, "secretmanager.secrets.get")?;
    let is_changed = shared.fault == Some(Fault::SomebodyElse);
    let secret = shared.known(&id)?;
    let written = secret.written();
    secret.revision += u64::from(is_changed);
    Ok(Json(written))
}

async fn update(
    FromState(state): FromState<State>,
    Path((project, id)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    Json(body): Json<Value>,
) -> Answer {
    let mut shared = state.lock().unwrap();
    shared.allow(&project, "secretmanager.secrets.update")?;
    if query.get("updateMask").map(String::as_str) != Some("labels") {
        return Err(invalid("update_mask"));
    }
    let secret = shared.known(&id)?;
    if body["etag"].as_str().is_some_and(|etag| etag != secret.etag()) {
        return Err(precondition("The etag provided does not match the resource's current etag."));
    }
    secret.labels = labels(&id, &body)?;
    secret.revision += 1;
    Ok(Json(secret.written()))
}

async fn add_version(
    FromState(state): FromState<State>,
    Path((project, call)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Answer {
    let mut shared = state.lock().unwrap();
    shared.allow(&project, "secretmanager.versions.add")?;
    let id = call.strip_suffix(":addVersion").ok_or_else(|| not_found(&call))?;
    if shared.fault == Some(Fault::RepeatsTheRequest) {
        return Err(invalid(format!("Invalid request: {body}")));
    }
    let secret = shared.known(id)?;
    let value = STANDARD.decode(body["payload"]["data"].as_str().unwrap_or_default());
    let value = value.map_err(|_| invalid("payload.data"))?;
    if value.is_empty() || value.len() > VALUE_BYTES {
        return Err(invalid("The payload must be between 1 and 65536 bytes."));
    }
    if body["payload"]["dataCrc32c"] != json!(crc32c(&value).to_string()) {
        return Err(invalid("The data_crc32c is missing or does not match the data."));
    }
    secret.versions.push(Version { state: VersionState::Enabled, value });
    secret.revision += 1;
    Ok(Json(secret.written_version(secret.versions.len())))
}

async fn list_versions(
    FromState(state): FromState<State>,
    Path((project, id)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Answer {
    let mut shared = state.lock().unwrap();
    shared.allow(&project, "secretmanager.versions.list")?;
    let lost = usize::from(shared.fault == Some(Fault::LosesAVersion));
    let secret = shared.known(&id)?;
    let numbers = (1..=secret.versions.len()).skip(lost);
    page("versions", numbers.map(|number| secret.written_version(number)).collect(), &query)
}

/// The number of an existing version.
fn known_version(secret: &Secret, text: &str) -> Result<usize, Refusal> {
    let number = text.parse().ok().filter(|number| (1..=secret.versions.len()).contains(number));
    number.ok_or_else(|| not_found(format!("Secret Version [{}/versions/{text}]", secret.id)))
}

async fn access(
    FromState(state): FromState<State>,
    Path((project, id, call)): Path<(String, String, String)>,
) -> Answer {
    let mut shared = state.lock().unwrap();
    shared.allow(&project, "secretmanager.versions.access")?;
    let text = call.strip_suffix(":access").ok_or_else(|| not_found(&call))?;
    let fault = shared.fault;
    let secret = shared.known(&id)?;
    let number = known_version(secret, text)?;
    match secret.versions[number - 1].state {
        VersionState::Enabled => Ok(Json(secret.written_value(number, fault))),
        VersionState::Disabled => {
            Err(precondition(format!("Secret Version [{number}] is in DISABLED state.")))
        }
        VersionState::Destroyed => {
            Err(precondition(format!("Secret Version [{number}] is in DESTROYED state.")))
        }
    }
}

async fn set_state(
    FromState(state): FromState<State>,
    Path((project, id, call)): Path<(String, String, String)>,
    Json(_): Json<Value>,
) -> Answer {
    let mut shared = state.lock().unwrap();
    let (text, verb) = call.split_once(':').ok_or_else(|| not_found(&call))?;
    let (wanted, permission) = match verb {
        "enable" => (VersionState::Enabled, "secretmanager.versions.enable"),
        "disable" => (VersionState::Disabled, "secretmanager.versions.disable"),
        "destroy" => (VersionState::Destroyed, "secretmanager.versions.destroy"),
        _ => return Err(not_found(&call)),
    };
    shared.allow(&project, permission)?;
    let is_delayed = wanted == VersionState::Destroyed && shared.fault == Some(Fault::DestroysLater);
    let secret = shared.known(&id)?;
    let number = known_version(secret, text)?;
    let version = &mut secret.versions[number - 1];
    if version.state == VersionState::Destroyed {
        return Err(precondition(format!("Secret Version [{number}] is in DESTROYED state.")));
    }
    version.state = if is_delayed { VersionState::Disabled } else { wanted };
    if version.state == VersionState::Destroyed {
        version.value.clear();
    }
    secret.revision += 1;
    Ok(Json(secret.written_version(number)))
}

//! Converts the service's errors. They must never contain a value: a parser's message may quote an answer,
//! and the service may repeat a request that contains a value.

use std::error::Error as _;

use comeback_error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_secretmanager_v1::Error as ClientError;

/// Whether the service's message may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// The request contained no value.
    Repeated,
    /// The request contained a value.
    Withheld,
}

/// The service's error code, if it answered.
pub(super) fn code(error: &ClientError) -> Option<Code> {
    last(error).status().map(|status| status.code)
}

/// The error for a failed call.
pub(super) fn told(doing: &str, error: &ClientError, words: Words) -> Error {
    let error = last(error);
    let reason = reason(error, words);
    match code(error) {
        Some(Code::Unauthenticated) => no_credentials(doing, &reason),
        None if error.is_authentication() => no_credentials(doing, &reason),
        Some(Code::PermissionDenied) => Error::could_not_verify(format!("{doing}: {reason}")).hint(
            "an export needs the roles secretmanager.viewer and secretmanager.secretAccessor on the project, an \
             import secretmanager.admin",
        ),
        Some(Code::ResourceExhausted) => Error::could_not_verify(format!("{doing}: {reason}"))
            .hint("look at the quotas of the project, and try once more in a minute"),
        Some(Code::InvalidArgument | Code::FailedPrecondition) => {
            Error::could_not_verify(format!("{doing}: {reason}"))
        }
        None if error.is_connect() => Error::could_not_verify(format!("{doing}: {reason}"))
            .hint("look whether this machine reaches secretmanager.googleapis.com, or the emulator"),
        _ => Error::could_not_verify(format!("{doing}: {reason}"))
            .hint("try once more; status.cloud.google.com tells whether Secret Manager is well"),
    }
}

/// The error for credentials that are missing or do not work.
pub(super) fn no_credentials(doing: &str, reason: &str) -> Error {
    Error::could_not_verify(format!("{doing}: {reason}"))
        .hint("log in with `gcloud auth application-default login`")
        .hint("or name the file of a service account in GOOGLE_APPLICATION_CREDENTIALS")
}

/// Why a call failed, without anything that may contain a value.
fn reason(error: &ClientError, words: Words) -> String {
    if let Some(status) = error.status() {
        return match words {
            Words::Repeated if !status.message.is_empty() => format!("{}: {}", status.code, status.message),
            _ => status.code.to_string(),
        };
    }
    if let Some(status) = error.http_status_code() {
        return format!("the answer was HTTP {status}");
    }
    if error.is_connect() {
        return format!("no connection{}", causes(error));
    }
    if error.is_authentication() {
        return format!("no credentials that work{}", causes(error));
    }
    if error.is_timeout() {
        return "there was no answer in time".to_owned();
    }
    if error.is_deserialization() {
        return "the answer is not as Secret Manager writes it".to_owned();
    }
    "the connection broke".to_owned()
}

/// The causes of an error that came before anything was sent or received.
fn causes(error: &ClientError) -> String {
    let first = error.source();
    let causes = std::iter::successors(first, |cause| (*cause).source());
    causes.fold(String::new(), |said, cause| format!("{said}: {cause}"))
}

/// The error of the last attempt, if the client gave up after several.
fn last(error: &ClientError) -> &ClientError {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let errors = causes.filter_map(|cause| cause.downcast_ref::<ClientError>());
    errors.last().unwrap_or(error)
}

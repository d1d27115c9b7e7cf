//! What went wrong, as our errors tell it. A value never gets into one: what a parser says of an answer may quote
//! it, and what the service says of a request that holds a value may repeat that.

use std::error::Error as _;

use comeback_error::Error;
use google_cloud_gax::error::rpc::Code;
use google_cloud_secretmanager_v1::Error as ClientError;

/// Whether what the service says of a request may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// There was no value in the request.
    Repeated,
    /// There was one.
    Withheld,
}

/// The code that the service answered with, if it did.
pub(super) fn code(error: &ClientError) -> Option<Code> {
    last(error).status().map(|status| status.code)
}

/// The error of a call that did not work.
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

/// The error of credentials that are not there, or do not work.
pub(super) fn no_credentials(doing: &str, reason: &str) -> Error {
    Error::could_not_verify(format!("{doing}: {reason}"))
        .hint("log in with `gcloud auth application-default login`")
        .hint("or name the file of a service account in GOOGLE_APPLICATION_CREDENTIALS")
}

/// Why a call did not work, without what may hold a value.
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

/// What led to an error that nothing was sent or received for.
fn causes(error: &ClientError) -> String {
    let first = error.source();
    let causes = std::iter::successors(first, |cause| (*cause).source());
    causes.fold(String::new(), |said, cause| format!("{said}: {cause}"))
}

/// What ended the last attempt, where the client gave up after several.
fn last(error: &ClientError) -> &ClientError {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let errors = causes.filter_map(|cause| cause.downcast_ref::<ClientError>());
    errors.last().unwrap_or(error)
}

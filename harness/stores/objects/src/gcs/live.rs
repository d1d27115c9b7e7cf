//! What is live in a bucket of Google Cloud Storage, with the rights of the role *Storage Object Viewer* alone.

use async_trait::async_trait;
use bytes::Bytes;
use comeback_engine::repository::Reader;
use comeback_error::{Context as _, Result};
use comeback_model::ObjectVersion;
use http::{Method, Request, StatusCode, header};

use super::GcsBucket;
use super::api::{Listing, Permissions};
use crate::cloud::part;
use crate::live::{LiveObject, LiveObjects, LivePage, changed};
use crate::{ObjectStore as _, no_such_bucket};

#[async_trait]
impl LiveObjects for GcsBucket {
    fn name(&self) -> String {
        self.location()
    }

    async fn page(&self, prefix: &str, most: u32, from: Option<&str>) -> Result<LivePage> {
        let doing = format!("listing {}", self.location());
        let most = most.min(self.page);
        let mut url = self.url(&format!("/o?prefix={}&maxResults={most}", part(prefix)));
        if let Some(token) = from {
            url = format!("{url}&pageToken={}", part(token));
        }
        let answer = self.send(&doing, Method::GET, &url).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(no_such_bucket(&self.location()));
        }
        let Listing { items, next_page_token, .. } = self.parsed(&doing, answer).await?;
        let objects = items.into_iter().map(|item| {
            let ObjectVersion { key, version, created_at, bytes, .. } = item.into();
            LiveObject { key, bytes, modified_at: created_at, mark: version }
        });
        Ok(LivePage { objects: objects.collect(), next: next_page_token.filter(|token| !token.is_empty()) })
    }

    async fn open(&self, object: &LiveObject) -> Result<Reader> {
        let doing = format!("reading {}", object.key);
        let url = format!("{}?alt=media&generation={}", self.object(&object.key), part(&object.mark));
        // Accept gzip: an object that was stored compressed is then sent as it is stored, not decompressed.
        let request = Request::get(url).header(header::ACCEPT_ENCODING, "gzip").body(Bytes::new());
        let answer = self.requests.send(&doing, request.context(&doing)?).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Err(changed(object)),
            status if status.is_success() => Ok(answer.reader()),
            _ => Err(self.refused(&doing, answer).await),
        }
    }

    async fn may_write(&self, _: &str) -> Result<Option<bool>> {
        let doing = format!("asking for permissions in {}", self.location());
        let asked = ["create", "delete", "update"].map(|verb| format!("permissions=storage.objects.{verb}"));
        let url = self.url(&format!("/iam/testPermissions?{}", asked.join("&")));
        let answer = self.send(&doing, Method::GET, &url).await?;
        if !answer.status.is_success() {
            return Ok(None);
        }
        let Permissions { permissions } = self.parsed(&doing, answer).await?;
        Ok(Some(!permissions.is_empty()))
    }
}

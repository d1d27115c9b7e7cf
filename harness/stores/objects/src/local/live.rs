//! What is live in a bucket in a folder.

use async_trait::async_trait;
use comeback_engine::repository::Reader;
use comeback_error::Result;
use futures_util::TryStreamExt as _;

use super::LocalBucket;
use crate::ObjectStore as _;
use crate::live::{LiveObject, LiveObjects, LivePage, changed};

#[async_trait]
impl LiveObjects for LocalBucket {
    fn name(&self) -> String {
        self.location()
    }

    async fn page(&self, prefix: &str, _: u32, _: Option<&str>) -> Result<LivePage> {
        let mut page = LivePage::default();
        let mut histories = self.histories(prefix);
        while let Some(history) = histories.try_next().await? {
            page.objects.extend(history.live().map(|live| LiveObject {
                key: history.key.clone(),
                bytes: live.bytes,
                modified_at: live.created_at,
                mark: live.version.clone(),
            }));
        }
        Ok(page)
    }

    async fn open(&self, object: &LiveObject) -> Result<Reader> {
        let live = self.current(&object.key).await?.filter(|live| live.version == object.mark);
        self.read(&live.ok_or_else(|| changed(object))?).await
    }
}

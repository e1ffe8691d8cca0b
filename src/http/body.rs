//! Reading an answer to its end, but not without end.

use bytes::{Bytes, BytesMut};

/// Graph's largest pages are a few megabytes; more than this is no answer to anything we ask.
const LARGEST: usize = 64 * 1024 * 1024;

/// An answer that goes on and on.
#[derive(Debug, thiserror::Error)]
#[error("the answer is larger than {} MiB", LARGEST / 1024 / 1024)]
struct TooLarge;

pub(super) async fn read(mut response: reqwest::Response) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    // What the answer says of its length is not believed, but what is not written to takes no memory.
    let length = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or_default();
    let mut body = BytesMut::with_capacity(length.min(LARGEST));
    while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(TooLarge.into());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

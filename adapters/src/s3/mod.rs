//! Object storage over the S3 protocol.
//!
//! Path-style addresses, because the embedded server and most self-hosted ones know no other. Bodies are never logged,
//! and of a refusal only the status and the store's error code are kept: its text may quote the request.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use kvit_commands::ports::objects::{ObjectFault, ObjectInfo, ObjectKey, ObjectStore};
use s3::creds::Credentials;
use s3::error::S3Error;
use s3::{Bucket, Region};

/// Largest object that may be stored, bytes.
pub const MAX_OBJECT_BYTES: usize = 32 * 1024 * 1024;

/// Where the bucket is.
#[derive(Clone)]
pub struct S3Settings {
    /// `http://…` or `https://…`.
    pub endpoint: String,
    /// The bucket; it must exist.
    pub bucket: String,
    /// Region name; any for stores that have none.
    pub region: String,
    /// Access key.
    pub access_key: String,
    /// Secret key.
    pub secret_key: String,
    /// Longest time of one request with its body.
    pub timeout: Duration,
}

impl std::fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Settings")
            .field("endpoint", &self.endpoint)
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

/// One bucket.
#[derive(Clone)]
pub struct S3Objects {
    bucket: Box<Bucket>,
    timeout: Duration,
}

impl std::fmt::Debug for S3Objects {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("S3Objects")
            .field("bucket", &self.bucket.name)
            .finish_non_exhaustive()
    }
}

impl S3Objects {
    /// A client of the bucket. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ObjectFault::Fatal`] when the settings cannot be used.
    pub fn try_new(settings: &S3Settings) -> Result<Self, ObjectFault> {
        let fatal = |error: &dyn std::fmt::Display| ObjectFault::Fatal(error.to_string());
        let region = Region::Custom {
            region: settings.region.clone(),
            endpoint: settings.endpoint.clone(),
        };
        let credentials = Credentials::new(
            Some(&settings.access_key),
            Some(&settings.secret_key),
            None,
            None,
            None,
        )
        .map_err(|error| fatal(&error))?;
        let bucket = Bucket::new(&settings.bucket, region, credentials)
            .and_then(|bucket| {
                bucket
                    .with_path_style()
                    .with_request_timeout(settings.timeout)
            })
            .map_err(|error| fatal(&error))?;
        Ok(Self {
            bucket,
            timeout: settings.timeout,
        })
    }

    /// Whether the store answers for the bucket, for readiness checks.
    ///
    /// # Errors
    /// The fault that any call would meet now.
    pub async fn check(&self) -> Result<(), ObjectFault> {
        let listing = self
            .bucket
            .list_page(String::new(), None, None, None, Some(1));
        self.in_time(listing).await.map(|_| ())
    }

    /// The library retries reads by itself, so that its own limit can pass several times; this one is the caller's.
    async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, S3Error>>,
    ) -> Result<T, ObjectFault> {
        match tokio::time::timeout(self.timeout.saturating_mul(2), call).await {
            Ok(answer) => answer.map_err(|error| classify(&error)),
            Err(_) => Err(ObjectFault::Transient("no answer in time".to_owned())),
        }
    }
}

/// Decides what a failed call means.
fn classify(error: &S3Error) -> ObjectFault {
    match error {
        S3Error::HttpFailWithBody(status, body) => by_status(*status, body),
        S3Error::Reqwest(error) if error.is_builder() || error.is_redirect() => {
            ObjectFault::Fatal("the request could not be made".to_owned())
        }
        S3Error::Reqwest(error) => {
            let what = if error.is_timeout() {
                "no answer in time"
            } else {
                "the connection failed"
            };
            ObjectFault::Transient(what.to_owned())
        }
        S3Error::Io(error) => ObjectFault::Transient(error.kind().to_string()),
        S3Error::HttpFail => ObjectFault::Transient("the store failed".to_owned()),
        _ => ObjectFault::Fatal("the answer or the request could not be read".to_owned()),
    }
}

fn by_status(status: u16, body: &str) -> ObjectFault {
    let code = body
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"))
        .map_or("", |(code, _)| code);
    let code: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(60)
        .collect();
    match status {
        404 if code == "NoSuchBucket" => ObjectFault::Fatal("there is no such bucket".to_owned()),
        404 => ObjectFault::NotFound,
        408 | 425 | 429 | 500..=599 => ObjectFault::Transient(format!("status {status} {code}")),
        _ => ObjectFault::Fatal(format!("status {status} {code}")),
    }
}

#[async_trait]
impl ObjectStore for S3Objects {
    async fn put(
        &self,
        key: &ObjectKey,
        body: Bytes,
        content_type: &str,
    ) -> Result<(), ObjectFault> {
        if body.len() > MAX_OBJECT_BYTES {
            return Err(ObjectFault::TooLarge {
                limit: MAX_OBJECT_BYTES,
            });
        }
        let put = self
            .bucket
            .put_object_with_content_type(key.as_str(), &body, content_type);
        self.in_time(put).await.map(|_| ())
    }

    async fn get(&self, key: &ObjectKey, max_bytes: usize) -> Result<Bytes, ObjectFault> {
        let read = async {
            let mut stream = self.bucket.get_object_stream(key.as_str()).await?;
            let mut body = BytesMut::new();
            while let Some(part) = stream.bytes().next().await {
                body.extend_from_slice(&part?);
                if body.len() > max_bytes {
                    return Ok(Err(ObjectFault::TooLarge { limit: max_bytes }));
                }
            }
            Ok(Ok(body.freeze()))
        };
        self.in_time(read).await?
    }

    async fn head(&self, key: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectFault> {
        match self.in_time(self.bucket.head_object(key.as_str())).await {
            Ok((head, _)) => Ok(Some(ObjectInfo {
                size: head
                    .content_length
                    .and_then(|size| u64::try_from(size).ok())
                    .unwrap_or(0),
                content_type: head.content_type,
            })),
            Err(ObjectFault::NotFound) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectFault> {
        match self.in_time(self.bucket.delete_object(key.as_str())).await {
            Ok(_) | Err(ObjectFault::NotFound) => Ok(()),
            Err(fault) => Err(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{ObjectFault, by_status};

    #[test]
    fn a_refusal_keeps_its_code_and_nothing_of_its_text() {
        let body = "<Error><Code>AccessDenied</Code><Message>secret text</Message></Error>";
        assert_eq!(
            by_status(403, body),
            ObjectFault::Fatal("status 403 AccessDenied".to_owned())
        );
        assert_eq!(
            by_status(503, "busy"),
            ObjectFault::Transient("status 503 ".to_owned())
        );
        assert_eq!(
            by_status(404, "<Code>NoSuchKey</Code>"),
            ObjectFault::NotFound
        );
        assert!(matches!(
            by_status(404, "<Code>NoSuchBucket</Code>"),
            ObjectFault::Fatal(_)
        ));
    }
}

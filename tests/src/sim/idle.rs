//! The ports that the money does not flow through: nobody calls them here.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use kvit_commands::ports::limiter::{LimiterFault, RateLimiter};
use kvit_commands::ports::objects::{ObjectFault, ObjectInfo, ObjectKey, ObjectStore};
use kvit_commands::ports::photos::{PhotoFacts, PhotoInspector};
use kvit_domain::rejection::Rejection;

/// Refuses everything.
pub struct Idle;

fn no_objects() -> ObjectFault {
    ObjectFault::Fatal("there are no photos here".to_owned())
}

#[async_trait]
impl ObjectStore for Idle {
    async fn put(&self, _: &ObjectKey, _: Bytes, _: &str) -> Result<(), ObjectFault> {
        Err(no_objects())
    }
    async fn get(&self, _: &ObjectKey, _: usize) -> Result<Bytes, ObjectFault> {
        Err(no_objects())
    }
    async fn head(&self, _: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectFault> {
        Err(no_objects())
    }
    async fn delete(&self, _: &ObjectKey) -> Result<(), ObjectFault> {
        Err(no_objects())
    }
}

impl PhotoInspector for Idle {
    fn inspect(&self, _: &[u8]) -> Result<PhotoFacts, Rejection> {
        Err(Rejection::new("not_an_image", "there are no photos here"))
    }
    fn preview(&self, _: &[u8]) -> Result<Vec<u8>, Rejection> {
        Err(Rejection::new("not_an_image", "there are no photos here"))
    }
}

#[async_trait]
impl RateLimiter for Idle {
    async fn take(
        &self,
        _: &str,
        _: &str,
        _: u32,
        _: Duration,
    ) -> Result<Option<Duration>, LimiterFault> {
        Ok(None)
    }
}

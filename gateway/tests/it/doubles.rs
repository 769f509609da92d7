//! What stands in for the outside: object storage, photos, the upload limit, dead letters, a reader's result.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use kvit_commands::ports::limiter::{LimiterFault, RateLimiter};
use kvit_commands::ports::objects::{ObjectFault, ObjectInfo, ObjectKey, ObjectStore};
use kvit_commands::ports::photos::{PhotoFacts, PhotoInspector};
use kvit_domain::money::Currency;
use kvit_domain::quantity::Quantity;
use kvit_domain::recognition::{
    Confidence, Field, FiscalQr, QrForm, QrReading, ReceiptItem, Recognition,
};
use kvit_domain::rejection::Rejection;
use kvit_domain::rules::kyiv_local;
use kvit_gateway::dead_letters::{DeadLetter, DeadLetterFault, DeadLetterPage, DeadLetters};

#[derive(Default)]
pub struct MemoryObjects(Mutex<HashMap<String, Bytes>>);

#[async_trait]
impl ObjectStore for MemoryObjects {
    async fn put(&self, key: &ObjectKey, body: Bytes, _: &str) -> Result<(), ObjectFault> {
        self.0.lock().unwrap().insert(key.to_string(), body);
        Ok(())
    }
    async fn get(&self, key: &ObjectKey, _: usize) -> Result<Bytes, ObjectFault> {
        self.0
            .lock()
            .unwrap()
            .get(key.as_str())
            .cloned()
            .ok_or(ObjectFault::NotFound)
    }
    async fn head(&self, _: &ObjectKey) -> Result<Option<ObjectInfo>, ObjectFault> {
        Ok(None)
    }
    async fn delete(&self, key: &ObjectKey) -> Result<(), ObjectFault> {
        self.0.lock().unwrap().remove(key.as_str());
        Ok(())
    }
}

pub struct AnyPhoto;

impl PhotoInspector for AnyPhoto {
    fn inspect(&self, _: &[u8]) -> Result<PhotoFacts, Rejection> {
        Ok(PhotoFacts {
            content_type: "image/jpeg",
            extension: "jpg",
            short_edge_px: 900,
        })
    }
    fn preview(&self, bytes: &[u8]) -> Result<Vec<u8>, Rejection> {
        Ok(bytes.to_vec())
    }
}

pub struct NoLimit;

#[async_trait]
impl RateLimiter for NoLimit {
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

/// Dead letters in memory, with a note of what was done to them.
#[derive(Default)]
pub struct Letters {
    pub waiting: Mutex<BTreeMap<String, DeadLetter>>,
    pub done: Mutex<Vec<String>>,
}

#[async_trait]
impl DeadLetters for Letters {
    async fn list(
        &self,
        after: Option<&str>,
        limit: u32,
    ) -> Result<DeadLetterPage, DeadLetterFault> {
        let waiting = self.waiting.lock().unwrap();
        let mut letters: Vec<_> = waiting
            .values()
            .filter(|letter| after.is_none_or(|after| letter.id.as_str() > after))
            .cloned()
            .collect();
        let more = letters.len() > limit as usize;
        letters.truncate(limit as usize);
        let next = if more {
            letters.last().map(|letter| letter.id.clone())
        } else {
            None
        };
        Ok(DeadLetterPage { letters, next })
    }
    async fn replay(&self, id: &str, actor: &str) -> Result<bool, DeadLetterFault> {
        self.done
            .lock()
            .unwrap()
            .push(format!("replay {id} by {actor}"));
        Ok(self.waiting.lock().unwrap().remove(id).is_some())
    }
    async fn discard(&self, id: &str, actor: &str, reason: &str) -> Result<bool, DeadLetterFault> {
        self.done
            .lock()
            .unwrap()
            .push(format!("drop {id} by {actor}: {reason}"));
        Ok(self.waiting.lock().unwrap().remove(id).is_some())
    }
}

/// A certain reading of a good receipt, bought at this time.
pub fn recognition(number: u32, bought: DateTime<Utc>, with_qr: bool) -> Recognition {
    let sure = Confidence::CERTAIN;
    let fiscal = FiscalQr {
        form: QrForm::Link,
        register_number: "4000000001".into(),
        receipt_number: number.to_string(),
        purchased_at: kyiv_local(bought),
        total_minor: 9_530,
        currency: Currency::Uah,
        is_return: false,
    };
    Recognition {
        qr: if with_qr {
            QrReading::Fiscal {
                fiscal,
                step: "grey".into(),
            }
        } else {
            QrReading::Missing
        },
        merchant: Some(Field::new("Аптека «Приклад»".into(), sure)),
        tax_id: None,
        register_number: Some(Field::new("4000000001".into(), sure)),
        receipt_number: Some(Field::new(number.to_string(), sure)),
        purchased_at: Some(Field::new(kyiv_local(bought), sure)),
        purchased_on: None,
        currency: Currency::Uah,
        total_minor: Some(Field::new(9_530, sure)),
        items: vec![ReceiptItem {
            name: "Цитрамон-Дарниця табл. №10".into(),
            quantity: Quantity::ONE,
            unit_price_minor: Some(9_530),
            sum_minor: 9_530,
            discount_minor: 0,
            tax: None,
            barcode: None,
            code: None,
            confidence: sure,
        }],
        is_return: false,
        confidence: sure,
        anomalies: vec![],
        text: "текст чека".into(),
        stage_ms: vec![("qr".into(), 12)],
        short_edge_px: 900,
    }
}

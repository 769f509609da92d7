//! On a submitted photo: read it and record what was read.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use kvit_domain::event::RecordedEvent;
use kvit_domain::ids::ReceiptId;
use kvit_domain::receipt::ReceiptState;

use super::{id_of, settle, to_fault};
use crate::app::App;
use crate::context::Context;
use crate::error::CommandError;
use crate::ports::bus::{EventHandler, Handled, HandlerFault};
use crate::ports::reader::{ReadFault, ReceiptReader};

/// The reading worker. It runs in a process of its own: a crash of the native reader costs one delivery.
pub struct Reading {
    app: App,
    reader: Arc<dyn ReceiptReader>,
}

impl Reading {
    /// A worker with this reader.
    pub fn new(app: App, reader: Arc<dyn ReceiptReader>) -> Self {
        Self { app, reader }
    }
}

#[async_trait]
impl EventHandler for Reading {
    fn name(&self) -> &'static str {
        "reading"
    }

    fn interests(&self) -> Vec<(&'static str, &'static str)> {
        vec![("receipt", "ReceiptSubmitted")]
    }

    /// A photo that takes the reader down again and again still gets an answer, with tips for a better one; an appeal or
    /// the dead letter brings it to a person.
    async fn give_up(&self, event: &RecordedEvent) -> Result<(), HandlerFault> {
        let context = Context::caused_by(event, self.name(), "give-up");
        let code = "reader_failed".to_owned();
        let recorded = self
            .app
            .record_recognition_failure(id_of(event)?, code, &context)
            .await;
        settle(recorded).map(|_| ())
    }

    async fn handle(&self, event: &RecordedEvent) -> Result<Handled, HandlerFault> {
        let receipt_id: ReceiptId = id_of(event)?;
        let receipt = self.app.receipt(receipt_id).await.map_err(to_fault)?;
        if receipt.state != ReceiptState::Submitted || receipt.duplicate_of.is_some() {
            return Ok(Handled::Skipped);
        }
        let context = Context::caused_by(event, self.name(), "read");
        let photo = match self.app.receipt_image(receipt_id).await {
            Ok((photo, _)) => photo,
            Err(CommandError::Rejected(rejection)) => {
                return settle(
                    self.app
                        .record_recognition_failure(receipt_id, rejection.code, &context)
                        .await,
                );
            }
            Err(fault) => return Err(to_fault(fault)),
        };
        let started = Instant::now();
        let read = self.reader.read(photo).await;
        metrics::histogram!("kvit_ocr_seconds").record(started.elapsed());
        match read {
            Ok(recognition) => {
                let confidence = f64::from(recognition.confidence.thousandths());
                metrics::histogram!("kvit_ocr_confidence_thousandths").record(confidence);
                match self
                    .app
                    .record_recognition(receipt_id, recognition, &context)
                    .await
                {
                    // Another process has read the same photo; the times of its stages differ, so the bodies do.
                    Err(CommandError::Rejected(rejection))
                        if rejection.code == "idempotency_conflict" =>
                    {
                        Ok(Handled::Skipped)
                    }
                    recorded => settle(recorded),
                }
            }
            Err(ReadFault::Unreadable { code }) => settle(
                self.app
                    .record_recognition_failure(receipt_id, code, &context)
                    .await,
            ),
            Err(ReadFault::Transient(reason)) => Err(HandlerFault::transient(reason)),
        }
    }
}

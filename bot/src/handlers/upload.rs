//! Photos and files of receipts.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use kvit_commands::app::PHOTO_BYTES_MAX;
use kvit_domain::rejection::Rejection;
use teloxide::net::Download as _;
use teloxide::requests::Requester as _;
use teloxide::types::{FileId, Message};
use teloxide::{ApiError, RequestError};

use crate::notices::receipt_slot;
use crate::render::{ReceiptView, render};
use crate::texts::key;
use crate::trouble::Trouble;
use crate::turn::Turn;

/// [`PHOTO_BYTES_MAX`] as people say it.
pub(crate) const LIMIT_MB: i64 = 10;

/// Longest time for fetching a file.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(60);

/// A photo in a message. An album arrives as one message a photo, so each is a submission of its own.
#[derive(Debug, Clone)]
pub(crate) struct Attachment {
    file: FileId,
    size: u32,
}

impl Attachment {
    /// The largest size of a photo, or a file. What the file claims to be is not looked at: its bytes will say.
    pub(crate) fn of(message: &Message) -> Option<Self> {
        let file = match (message.photo(), message.document()) {
            (Some(sizes), _) => {
                &sizes
                    .iter()
                    .max_by_key(|size| u64::from(size.width) * u64::from(size.height))?
                    .file
            }
            (None, Some(document)) => &document.file,
            (None, None) => return None,
        };
        Some(Self {
            file: file.id.clone(),
            size: file.size,
        })
    }
}

pub(crate) async fn take(
    turn: Arc<Turn>,
    message: Message,
    attachment: Attachment,
) -> Result<(), Trouble> {
    turn.user.may_act()?;
    // Asked again by the use case; asked here so that nothing is fetched in vain.
    if turn.user.phone.is_none() {
        return Err(Rejection::new("phone_missing", "a phone number is needed first").into());
    }
    // Telegram's own word on the size. It may be missing or wrong, so the fetching counts too.
    if usize::try_from(attachment.size).unwrap_or(usize::MAX) > PHOTO_BYTES_MAX
        && attachment.size != u32::MAX
    {
        return Err(too_large());
    }
    let fetched = tokio::time::timeout(DOWNLOAD_LIMIT, fetch(&turn, attachment.file)).await;
    let Some(bytes) = fetched.map_err(|_| Trouble::transient("a file came too slowly"))?? else {
        return turn.tell(&key!("upload-lost"), &[]).await;
    };
    let submitted = turn
        .env
        .app
        .submit_receipt(turn.user_id, bytes, message.date, &turn.context("submit"))
        .await?;
    let view = ReceiptView::received(submitted.receipt_id, submitted.short_edge_px);
    let mut content = turn.content(render(&view, turn.language)).await?;
    content.reply_to = Some(message.id.0);
    // Oldest of all wishes: what follows from the receipt may have been told already.
    turn.wish(&receipt_slot(submitted.receipt_id), content, 0)
        .await
}

fn too_large() -> Trouble {
    Rejection::new("payload_too_large", "the file is larger than accepted")
        .with("limit_bytes", PHOTO_BYTES_MAX)
        .into()
}

/// The file's bytes, at most [`PHOTO_BYTES_MAX`]; `None` when Telegram has it no more.
async fn fetch(turn: &Turn, file: FileId) -> Result<Option<Bytes>, Trouble> {
    let file = match turn.env.telegram.get_file(file).await {
        Ok(file) => file,
        // Telegram hands over 20 MB at most, and the library has no name for that refusal.
        Err(RequestError::Api(ApiError::Unknown(text))) if text.contains("file is too big") => {
            return Err(too_large());
        }
        Err(RequestError::Api(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = BytesMut::new();
    let mut chunks = std::pin::pin!(turn.env.telegram.download_file_stream(&file.path));
    while let Some(chunk) = chunks.next().await {
        // The error's text would hold the address, and with it the bot's token.
        let chunk = chunk.map_err(|_| Trouble::transient("a file could not be fetched"))?;
        if bytes.len().saturating_add(chunk.len()) > PHOTO_BYTES_MAX {
            return Err(too_large());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Some(bytes.freeze()))
}

//! Photos and documents: how uploaded bytes become the Bot API's objects.

use std::io::Cursor;

use axum::body::Bytes;
use image::ImageReader;
use serde_json::{Value, json};

use super::Telegram;
use super::error::ApiError;
use super::state::{Change, StoredFile, World};

/// The largest file that a bot may download.
pub(super) const MAX_DOWNLOAD: u64 = 20 * 1024 * 1024;
/// Longest sides of the smaller copies that Telegram makes of a photo.
const SIZES: [u32; 4] = [90, 320, 800, 1280];

/// New files on their way into the journal, and the JSON that shows them.
pub(super) struct Made {
    pub changes: Vec<Change>,
    pub shown: Value,
}

impl Telegram {
    /// Stores a photo and lists its sizes, the original last. The smaller ones serve the same bytes: nobody looks at their pixels.
    pub(super) fn make_photo(&self, world: &World, bytes: &Bytes) -> Result<Made, ApiError> {
        let number = world.files.len();
        let path = format!("photos/file_{number}.jpg");
        self.keep(&path, bytes)?;
        let (width, height) = dimensions(bytes);
        let longest = width.max(height);
        let mut boxes: Vec<u32> = SIZES.into_iter().filter(|size| *size < longest).collect();
        boxes.push(longest);
        let mut made = Made {
            changes: Vec::new(),
            shown: Value::Null,
        };
        let mut shown = Vec::new();
        for (index, side) in boxes.into_iter().enumerate() {
            let file = StoredFile {
                file_id: format!("AgACAgIAAx{number:06}{index}"),
                unique_id: format!("AQAD{number:06}{index}"),
                path: path.clone(),
                size: length(bytes),
                name: None,
                mime: None,
                width: Some(scaled(width, side, longest)),
                height: Some(scaled(height, side, longest)),
            };
            shown.push(photo_size(&file));
            made.changes.push(Change::File { file });
        }
        made.shown = Value::Array(shown);
        Ok(made)
    }

    /// Stores a document.
    pub(super) fn make_document(
        &self,
        world: &World,
        name: Option<&str>,
        mime: Option<&str>,
        bytes: &Bytes,
    ) -> Result<Made, ApiError> {
        let number = world.files.len();
        let extension = name
            .and_then(|name| name.rsplit_once('.'))
            .map_or("bin", |(_, extension)| extension);
        let extension: String = extension
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take(8)
            .collect();
        let file = StoredFile {
            file_id: format!("BQACAgIAAx{number:06}"),
            unique_id: format!("AgAD{number:06}"),
            path: format!("documents/file_{number}.{extension}"),
            size: length(bytes),
            name: name.map(str::to_owned),
            mime: mime.map(str::to_owned),
            width: None,
            height: None,
        };
        self.keep(&file.path, bytes)?;
        let shown = document(&file);
        Ok(Made {
            changes: vec![Change::File { file }],
            shown,
        })
    }

    fn keep(&self, path: &str, bytes: &Bytes) -> Result<(), ApiError> {
        self.files.put(path, bytes).map_err(|error| {
            tracing::error!(%error, "sandbox cannot keep a file");
            ApiError::new(500, "Internal Server Error")
        })
    }
}

/// The sizes of a stored photo, when it is sent again by its id.
pub(super) fn photo_size(file: &StoredFile) -> Value {
    json!({"file_id": file.file_id, "file_unique_id": file.unique_id, "width": file.width, "height": file.height, "file_size": file.size})
}

pub(super) fn document(file: &StoredFile) -> Value {
    let mut shown =
        json!({"file_id": file.file_id, "file_unique_id": file.unique_id, "file_size": file.size});
    if let Some(object) = shown.as_object_mut() {
        for (field, value) in [("file_name", &file.name), ("mime_type", &file.mime)] {
            if let Some(value) = value {
                object.insert(field.to_owned(), json!(value));
            }
        }
    }
    shown
}

/// Width and height from the header. Bytes that are no image get a plausible size: tests send such "photos" on purpose.
fn dimensions(bytes: &Bytes) -> (u32, u32) {
    let reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .ok();
    reader
        .and_then(|reader| reader.into_dimensions().ok())
        .unwrap_or((960, 1280))
}

fn scaled(side: u32, target: u32, longest: u32) -> u32 {
    let product = u64::from(side).saturating_mul(u64::from(target));
    u32::try_from(product.checked_div(u64::from(longest)).unwrap_or(1).max(1)).unwrap_or(u32::MAX)
}

fn length(bytes: &Bytes) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

//! Looks at uploads with the reader's own intake.

use kvit_commands::ports::photos::{PhotoFacts, PhotoInspector};
use kvit_domain::rejection::Rejection;
use kvit_ocr::intake::{self, ACCEPTED_KINDS, IntakeError, PhotoKind};

/// The intake of `ocr` as the port of the use cases.
pub struct Photos;

fn refusal(error: &IntakeError) -> Rejection {
    let code = match error {
        IntakeError::TooLarge { .. } => "payload_too_large",
        // A text file is not a damaged photo, and its sender must not be told so.
        IntakeError::UnsupportedType { .. } | IntakeError::NotAnImage => "unsupported_type",
        IntakeError::Truncated | IntakeError::TooManyPixels => "not_an_image",
    };
    Rejection::new(code, error.to_string())
        .with("cause", error.code())
        .with("accepted", ACCEPTED_KINDS)
}

impl PhotoInspector for Photos {
    fn inspect(&self, bytes: &[u8]) -> Result<PhotoFacts, Rejection> {
        let header = intake::inspect(bytes).map_err(|error| refusal(&error))?;
        let extension = match header.kind {
            PhotoKind::Jpeg => "jpg",
            PhotoKind::Png => "png",
            PhotoKind::Webp => "webp",
        };
        Ok(PhotoFacts {
            content_type: header.kind.media_type(),
            extension,
            short_edge_px: header.short_edge_px(),
        })
    }

    fn preview(&self, bytes: &[u8]) -> Result<Vec<u8>, Rejection> {
        intake::preview(bytes).map_err(|error| refusal(&error))
    }
}

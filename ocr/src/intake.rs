//! The door: which bytes are a photo, and at what price they may be decoded.
//!
//! The type is sniffed from the bytes, never taken from a name or a header of the sender. Limits are checked on the
//! image's own header before a pixel is decoded, so that a small file which claims to be a huge picture costs nothing.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageDecoder, ImageError, ImageReader, Limits};

/// Largest accepted file: exactly 10 MiB (10 × 1024 × 1024 bytes). One byte more is [`IntakeError::TooLarge`].
///
/// The binary megabyte is meant: whoever believes in the decimal one is never refused below their own limit.
pub const FILE_BYTES_MAX: usize = 10 * 1024 * 1024;
/// Most pixels in a photo; today's telephones deliver 12 to 50 million.
pub const PIXELS_MAX: u64 = 50_000_000;
/// Most memory that decoding may take, in bytes.
pub const DECODE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Largest preview, in bytes.
pub const PREVIEW_BYTES_MAX: usize = 300_000;
/// Short edge in pixels below which the shopper is advised to photograph again.
pub const SHORT_EDGE_HINT_PX: u32 = 600;
/// The accepted kinds as words for a message.
pub const ACCEPTED_KINDS: &str = "JPEG, PNG, WebP";

/// Long side of the preview in pixels, tried in turn with the qualities until it fits.
const PREVIEW_STEPS: [(u32, u8); 5] = [(1_600, 80), (1_280, 72), (1_024, 65), (800, 55), (480, 45)];

/// A kind of picture that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhotoKind {
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// WebP, its first frame.
    Webp,
}

impl PhotoKind {
    /// The media type, for storage.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Webp => "image/webp",
        }
    }

    const fn format(self) -> image::ImageFormat {
        match self {
            Self::Jpeg => image::ImageFormat::Jpeg,
            Self::Png => image::ImageFormat::Png,
            Self::Webp => image::ImageFormat::WebP,
        }
    }
}

/// Why bytes are not accepted as a photo. Always the sender's to fix: nothing here is worth a retry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// More bytes than [`FILE_BYTES_MAX`].
    #[error("the file has {bytes} bytes, at most {FILE_BYTES_MAX} are accepted")]
    TooLarge {
        /// Size of the file.
        bytes: usize,
    },
    /// A known kind of file that is not read.
    #[error("{found} is not accepted; send {ACCEPTED_KINDS}")]
    UnsupportedType {
        /// Name of the kind: `HEIC`, `PDF`, `GIF`.
        found: &'static str,
    },
    /// The file ends before the picture does.
    #[error("the picture is cut off")]
    Truncated,
    /// More pixels than [`PIXELS_MAX`] or more memory than [`DECODE_BYTES_MAX`].
    #[error("the picture has too many pixels, at most {PIXELS_MAX} are accepted")]
    TooManyPixels,
    /// No picture, or one that cannot be decoded.
    #[error("this is not a picture; send {ACCEPTED_KINDS}")]
    NotAnImage,
}

impl IntakeError {
    /// The stable code for messages, metrics and API errors.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "too_large",
            Self::UnsupportedType { .. } => "unsupported_type",
            Self::Truncated => "truncated",
            Self::TooManyPixels => "too_many_pixels",
            Self::NotAnImage => "not_an_image",
        }
    }
}

/// What the header says, without decoding. Cheap enough for the bot and the gateway to call on every upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhotoHeader {
    /// Kind of picture.
    pub kind: PhotoKind,
    /// Width in pixels as stored, before the EXIF orientation.
    pub width: u32,
    /// Height in pixels as stored.
    pub height: u32,
}

impl PhotoHeader {
    /// The shorter side in pixels.
    #[must_use]
    pub fn short_edge_px(&self) -> u32 {
        self.width.min(self.height)
    }

    /// Whether the photo is so small that a better one should be asked for (it is still read).
    #[must_use]
    pub fn deserves_retake_hint(&self) -> bool {
        self.short_edge_px() < SHORT_EDGE_HINT_PX
    }
}

/// A decoded photo, upright by its EXIF orientation.
#[derive(Debug, Clone)]
pub struct Photo {
    /// Brightness; transparent parts count as white paper.
    pub grey: GrayImage,
    /// Shorter side in pixels.
    pub short_edge_px: u32,
}

/// Checks size, kind, completeness and pixel count by the header alone.
///
/// # Errors
/// Any [`IntakeError`].
pub fn inspect(bytes: &[u8]) -> Result<PhotoHeader, IntakeError> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(IntakeError::TooLarge { bytes: bytes.len() });
    }
    let kind = sniff(bytes)?;
    if !is_complete(kind, bytes) {
        return Err(IntakeError::Truncated);
    }
    let (width, height) = guarded(|| reader(bytes, kind).into_dimensions())?;
    check_pixels(width, height)?;
    Ok(PhotoHeader {
        kind,
        width,
        height,
    })
}

/// Decodes a photo to brightness, upright, within the limits.
///
/// # Errors
/// Any [`IntakeError`].
pub fn decode(bytes: &[u8]) -> Result<Photo, IntakeError> {
    let grey = flatten(decode_upright(bytes)?).into_luma8();
    let short_edge_px = grey.width().min(grey.height());
    Ok(Photo {
        grey,
        short_edge_px,
    })
}

/// A JPEG of at most [`PREVIEW_BYTES_MAX`] bytes for people who review receipts: upright, and without the metadata of
/// the original (place, device), which a reviewer has no need of.
///
/// # Errors
/// Any [`IntakeError`].
pub fn preview(bytes: &[u8]) -> Result<Vec<u8>, IntakeError> {
    let photo = DynamicImage::ImageRgb8(flatten(decode_upright(bytes)?).into_rgb8());
    for (side, quality) in PREVIEW_STEPS {
        let small = if photo.width().max(photo.height()) > side {
            photo.thumbnail(side, side)
        } else {
            photo.clone()
        };
        let mut out = Vec::new();
        small
            .write_with_encoder(JpegEncoder::new_with_quality(&mut out, quality))
            .map_err(|e| classify(&e))?;
        if out.len() <= PREVIEW_BYTES_MAX {
            return Ok(out);
        }
    }
    // Not reachable in practice: 480 x 480 at quality 45 is at most some 150 kB even for noise.
    Err(IntakeError::TooManyPixels)
}

fn decode_upright(bytes: &[u8]) -> Result<DynamicImage, IntakeError> {
    let header = inspect(bytes)?;
    guarded(|| {
        let mut decoder = reader(bytes, header.kind).into_decoder()?;
        // A broken orientation tag is not a reason to refuse the picture.
        let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
        let mut photo = DynamicImage::from_decoder(decoder)?;
        photo.apply_orientation(orientation);
        Ok(photo)
    })
}

/// Transparent pixels over white: a scan exported with a clear background is dark print on light paper.
fn flatten(photo: DynamicImage) -> DynamicImage {
    if !photo.color().has_alpha() {
        return photo;
    }
    let mut rgba = photo.into_rgba8();
    for pixel in rgba.pixels_mut() {
        let alpha = u16::from(pixel.0[3]);
        for channel in &mut pixel.0[..3] {
            let mixed = (u16::from(*channel) * alpha + 255 * (255 - alpha)) / 255;
            *channel = u8::try_from(mixed).unwrap_or(u8::MAX);
        }
        pixel.0[3] = u8::MAX;
    }
    DynamicImage::ImageRgba8(rgba)
}

fn reader(bytes: &[u8], kind: PhotoKind) -> ImageReader<Cursor<&[u8]>> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), kind.format());
    let mut limits = Limits::default();
    limits.max_alloc = Some(DECODE_BYTES_MAX);
    reader.limits(limits);
    reader
}

fn check_pixels(width: u32, height: u32) -> Result<(), IntakeError> {
    if width == 0 || height == 0 {
        return Err(IntakeError::NotAnImage);
    }
    if u64::from(width) * u64::from(height) > PIXELS_MAX {
        return Err(IntakeError::TooManyPixels);
    }
    Ok(())
}

/// Runs a decoder; its panic on hostile bytes is a refusal of these bytes, not the end of the worker.
fn guarded<T>(work: impl FnOnce() -> Result<T, ImageError>) -> Result<T, IntakeError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|e| classify(&e)),
        Err(_) => Err(IntakeError::NotAnImage),
    }
}

fn classify(error: &ImageError) -> IntakeError {
    match error {
        ImageError::Limits(_) => IntakeError::TooManyPixels,
        ImageError::IoError(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => {
            IntakeError::Truncated
        }
        _ => IntakeError::NotAnImage,
    }
}

fn sniff(bytes: &[u8]) -> Result<PhotoKind, IntakeError> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    let brand = bytes.get(8..12).unwrap_or_default();
    let refused = |found| Err(IntakeError::UnsupportedType { found });
    if starts(&[0xFF, 0xD8, 0xFF]) {
        return Ok(PhotoKind::Jpeg);
    }
    if starts(b"\x89PNG\r\n\x1a\n") {
        return Ok(PhotoKind::Png);
    }
    if starts(b"RIFF") && brand == b"WEBP" {
        return Ok(PhotoKind::Webp);
    }
    if bytes.get(4..8) == Some(b"ftyp") {
        return match brand {
            b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => {
                refused("HEIC")
            }
            b"avif" | b"avis" => refused("AVIF"),
            _ => refused("video"),
        };
    }
    if starts(b"%PDF-") {
        return refused("PDF");
    }
    if starts(b"GIF87a") || starts(b"GIF89a") {
        return refused("GIF");
    }
    if starts(b"II*\0") || starts(b"MM\0*") {
        return refused("TIFF");
    }
    if starts(b"\0\0\0\x0cJXL ") || starts(&[0xFF, 0x0A]) {
        return refused("JPEG XL");
    }
    if starts(b"BM") && bytes.len() > 26 {
        return refused("BMP");
    }
    if starts(b"PK\x03\x04") {
        return refused("ZIP");
    }
    Err(IntakeError::NotAnImage)
}

/// Whether the file has its end. The JPEG decoder fills a missing end with grey and calls that success.
fn is_complete(kind: PhotoKind, bytes: &[u8]) -> bool {
    match kind {
        PhotoKind::Jpeg => jpeg_is_complete(bytes),
        PhotoKind::Png => true, // its decoder reports a missing end by itself
        PhotoKind::Webp => {
            let size = bytes
                .get(4..8)
                .and_then(|b| b.try_into().ok())
                .map(u32::from_le_bytes);
            size.is_some_and(|size| (bytes.len() as u64) >= u64::from(size) + 8)
        }
    }
}

/// Walks the marker segments up to the scan, then looks for the end marker: within a scan `FF` is always followed by
/// `00`, so that `FF D9` there is the end. A thumbnail's own end marker lies inside a skipped segment.
fn jpeg_is_complete(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        let (Some(0xFF), Some(&marker)) = (bytes.get(at).copied(), bytes.get(at + 1)) else {
            return false;
        };
        match marker {
            0xFF => at += 1, // fill byte
            0xD9 => return true,
            0x01 | 0xD0..=0xD8 => at += 2,
            _ => {
                let Some(length) = bytes
                    .get(at + 2..at + 4)
                    .and_then(|b| b.try_into().ok())
                    .map(u16::from_be_bytes)
                else {
                    return false;
                };
                at += 2 + usize::from(length);
                if marker == 0xDA {
                    return bytes
                        .get(at..)
                        .is_some_and(|scan| scan.windows(2).any(|pair| pair == [0xFF, 0xD9]));
                }
            }
        }
    }
}

//! What a file is, by its content, and what is kept of it.

use super::picture::{Picture, Wanted};
use super::{Rules, Unfit};
use crate::conversation::Media;

/// A file as it is kept.
pub(super) struct Prepared {
    pub media: Media,
    /// The width and the height of a picture.
    pub size: Option<(u32, u32)>,
    pub bytes: Vec<u8>,
}

/// What a file begins with.
enum Kind {
    Jpeg,
    Png,
    Webp,
    Pdf,
}

impl Kind {
    fn of(file: &[u8]) -> Option<Kind> {
        match file {
            [0xff, 0xd8, 0xff, ..] => Some(Kind::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Kind::Png),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Kind::Webp),
            [b'%', b'P', b'D', b'F', b'-', ..] => Some(Kind::Pdf),
            _ => None,
        }
    }
}

/// Makes of a file that came what is kept. Pictures are decoded, which takes a while.
pub(super) fn prepare(file: Vec<u8>, rules: &Rules) -> Result<Prepared, Unfit> {
    if file.is_empty() {
        return Err(Unfit::Empty);
    }
    if file.len() > rules.max_bytes as usize {
        return Err(Unfit::TooLarge(rules.max_bytes));
    }
    let kind = Kind::of(&file).ok_or(Unfit::Kind)?;
    let (picture, wanted) = match kind {
        Kind::Pdf => return Ok(Prepared { media: Media::Pdf, size: None, bytes: file }),
        Kind::Jpeg => (Picture::of_jpeg(&file)?, Wanted::Jpeg),
        Kind::Png => (Picture::of_png(&file)?, Wanted::Sharp),
        Kind::Webp => (Picture::of_webp(&file)?, Wanted::Jpeg),
    };
    drop(file);
    let picture = picture.within(rules.pixels);
    let size = (picture.width, picture.height);
    let (media, bytes) = picture.written(wanted)?;
    Ok(Prepared { media, size: Some(size), bytes })
}

//! What is attached to a message. The log names it; the files are elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::AttachmentId;

/// A picture or a document that goes with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    /// Names it.
    pub id: AttachmentId,
    /// What its sender calls it: a name without a path, which ends as its type says.
    pub name: String,
    /// What it is, by its content.
    #[serde(rename = "type")]
    pub media: Media,
    /// How large it is.
    pub bytes: u32,
    /// How wide a picture is, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<u32>,
    /// How high a picture is, in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height: Option<u32>,
}

/// What can be attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Media {
    /// A photo.
    #[serde(rename = "image/jpeg")]
    Jpeg,
    /// A picture with sharp edges, such as of a screen.
    #[serde(rename = "image/png")]
    Png,
    /// A document.
    #[serde(rename = "application/pdf")]
    Pdf,
}

impl Media {
    /// Its name as a type of content.
    pub fn as_str(self) -> &'static str {
        match self {
            Media::Jpeg => "image/jpeg",
            Media::Png => "image/png",
            Media::Pdf => "application/pdf",
        }
    }

    /// The type that a stored word stands for.
    pub fn from_word(word: &str) -> Option<Media> {
        [Media::Jpeg, Media::Png, Media::Pdf].into_iter().find(|media| media.as_str() == word)
    }

    /// How the names of such files end.
    pub fn ending(self) -> &'static str {
        match self {
            Media::Jpeg => "jpg",
            Media::Png => "png",
            Media::Pdf => "pdf",
        }
    }

    /// Whether it is shown, and not only offered.
    pub fn is_picture(self) -> bool {
        self != Media::Pdf
    }
}

//! What can be pressed instead of typing.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something to press instead of typing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Button {
    /// What stands on it, and what is said when it is pressed.
    pub text: String,
    /// The entry that answers a press directly; without it the text is a message like any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<String>,
    /// A page that it opens instead of saying something: an https address, or a path of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

/// The buttons below a message, in order. Copies share them and their JSON: those of an entry of the FAQ go out with each of
/// its answers, which would otherwise cost each a dozen texts.
#[derive(Clone, Default)]
pub struct Buttons(Option<Arc<Shared>>);

struct Shared {
    buttons: Vec<Button>,
    json: OnceLock<String>,
}

impl Buttons {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// One more below them.
    pub fn push(&mut self, button: Button) {
        *self = self.iter().cloned().chain([button]).collect();
    }

    /// Their JSON, a list.
    pub fn to_json(&self) -> serde_json::Result<&str> {
        let Some(shared) = &self.0 else { return Ok("[]") };
        if let Some(json) = shared.json.get() {
            return Ok(json);
        }
        let json = serde_json::to_string(&shared.buttons)?;
        Ok(shared.json.get_or_init(|| json))
    }
}

impl Deref for Buttons {
    type Target = [Button];

    fn deref(&self) -> &[Button] {
        self.0.as_deref().map_or(&[], |shared| &shared.buttons)
    }
}

impl From<Vec<Button>> for Buttons {
    fn from(buttons: Vec<Button>) -> Buttons {
        let shared = |buttons| Arc::new(Shared { buttons, json: OnceLock::new() });
        Buttons((!buttons.is_empty()).then(|| shared(buttons)))
    }
}

impl FromIterator<Button> for Buttons {
    fn from_iter<I: IntoIterator<Item = Button>>(buttons: I) -> Buttons {
        Vec::from_iter(buttons).into()
    }
}

impl PartialEq for Buttons {
    fn eq(&self, other: &Buttons) -> bool {
        **self == **other
    }
}

impl fmt::Debug for Buttons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Serialize for Buttons {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Buttons {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Buttons, D::Error> {
        Vec::deserialize(deserializer).map(Buttons::from)
    }
}

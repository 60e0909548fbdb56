//! The small print of an event as JSON, as the store keeps it.

use std::fmt::Write;

use super::event::Meta;

impl Meta {
    /// The JSON of the general serialiser, byte for byte. Nearly all messages have nothing but buttons, a language, the number
    /// of their question, and how many nobody had an answer to; that is written at once.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let Meta {
            buttons,
            language,
            question,
            missed,
            attachments,
            choice,
            rated,
            attribute,
            behind,
            sources,
            errand,
            agent,
            name,
            reason,
            team,
            tags,
            asks,
            stars,
        } = self;
        let is_usual = (attachments.is_empty() && sources.is_empty() && !asks)
            && (choice.is_none() && rated.is_none() && attribute.is_none() && behind.is_none())
            && (errand.is_none() && agent.is_none() && name.is_none() && reason.is_none())
            && (team.is_none() && tags.is_none() && stars.is_none());
        if !is_usual {
            return serde_json::to_string(self);
        }
        let mut json = String::with_capacity(256);
        if !buttons.is_empty() {
            json.push_str("{\"buttons\":");
            json.push_str(buttons.to_json()?);
        }
        let next = |json: &String| if json.is_empty() { '{' } else { ',' };
        if let Some(language) = language {
            json.push(next(&json));
            json.push_str("\"language\":");
            text(&mut json, language)?;
        }
        // A string takes everything.
        if let Some(question) = question {
            let _ = write!(json, "{}\"question\":{question}", next(&json));
        }
        if *missed > 0 {
            let _ = write!(json, "{}\"missed\":{missed}", next(&json));
        }
        json.push_str(if json.is_empty() { "{}" } else { "}" });
        Ok(json)
    }
}

/// What has to be escaped is the serialiser's business.
fn text(json: &mut String, text: &str) -> serde_json::Result<()> {
    // Without a short cut, so that many are looked at at once.
    let is_escaped = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    if text.bytes().fold(false, |any, byte| any | is_escaped(byte)) {
        json.push_str(&serde_json::to_string(text)?);
    } else {
        json.push('"');
        json.push_str(text);
        json.push('"');
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::buttons::Button;
    use super::super::event::Reason;
    use super::super::id::Seq;
    use super::*;

    #[test]
    fn it_is_the_json_of_the_serialiser() {
        let texts =
            ["", "Track a parcel", "„Ja“ 包裹 👍", "a \"b\"", "back\\slash", "two\nlines\t\u{1}\u{7f}\u{2028}", "/"];
        let button = |text: &str, choice: bool, link: bool| Button {
            text: text.to_owned(),
            choice: choice.then(|| format!("c/{text}")),
            link: link.then(|| format!("https://x/{text}")),
        };
        let kinds = [(false, false), (true, false), (false, true), (true, true)];
        let each = texts.iter().flat_map(|text| kinds.map(|(choice, link)| button(text, choice, link)));
        let all: Vec<Button> = each.collect();
        for buttons in [&all[..0], &all[..1], &all[1..3], &all] {
            for language in [None, Some("en"), Some("a\"b")] {
                for question in [None, Some(0), Some(1), Some(Seq::MAX)] {
                    for (missed, reason) in [(0, None), (3, None), (3, Some(Reason::Idle))] {
                        let language = language.map(std::sync::Arc::from);
                        let buttons = buttons.to_vec().into();
                        let meta = Meta { buttons, language, question, missed, reason, ..Meta::default() };
                        assert_eq!(meta.to_json().unwrap(), serde_json::to_string(&meta).unwrap());
                    }
                }
            }
        }
    }
}

//! What is replaced before anything is sent: e-mail addresses, telephone numbers and card numbers. In what comes back
//! they stand again.

use std::sync::LazyLock;

use regex::Regex;

use crate::text::card::without_cards;
use crate::text::parcel::parcel_numbers;

static EMAIL: LazyLock<Regex> = LazyLock::new(|| regex(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"));
/// With a country's code, a leading zero, or in the groups of North America.
static PHONE: LazyLock<Regex> = LazyLock::new(|| {
    regex(r"(?:\+|\b00|\(0|\b0)[0-9](?:[ ()/.-]{0,2}[0-9]){6,15}\b|\b[0-9]{3}[ .-][0-9]{3}[ .-][0-9]{4}\b")
});
static DATE: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b|\b\d{4}-\d{2}-\d{2}\b"));
static MASK: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(?:EMAIL|PHONE)-[0-9]{1,3}\b"));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern that a test has tried")
}

/// What was replaced in one turn.
#[derive(Debug, Default)]
pub(super) struct Mask {
    is_off: bool,
    /// What stands for it, and what it is.
    hidden: Vec<(String, String)>,
}

impl Mask {
    /// Replaces nothing if it is off.
    pub fn new(is_on: bool) -> Mask {
        Mask { is_off: !is_on, hidden: Vec::new() }
    }

    /// A text as it may be sent.
    pub fn hide(&mut self, text: &str) -> String {
        if self.is_off {
            return text.to_owned();
        }
        let text = without_cards(text).unwrap_or_else(|| text.to_owned());
        let text =
            EMAIL.replace_all(&text, |found: &regex::Captures<'_>| self.stand_in("EMAIL", &found[0])).into_owned();
        let parcels: Vec<_> = parcel_numbers(&text).into_iter().map(|number| number.at).collect();
        let mut masked = String::with_capacity(text.len());
        let mut end = 0;
        for found in PHONE.find_iter(&text) {
            let at = found.range();
            let is_parcel = parcels.iter().any(|parcel| parcel.start < at.end && at.start < parcel.end);
            if is_parcel || DATE.is_match(found.as_str()) {
                continue;
            }
            masked.push_str(&text[end..at.start]);
            masked.push_str(&self.stand_in("PHONE", found.as_str()));
            end = at.end;
        }
        masked.push_str(&text[end..]);
        masked
    }

    /// A text of the model with what was replaced in its place again.
    pub fn show(&self, text: &str) -> String {
        if self.hidden.is_empty() {
            return text.to_owned();
        }
        let shown = MASK.replace_all(text, |found: &regex::Captures<'_>| {
            let known = self.hidden.iter().find(|(stand_in, _)| *stand_in == found[0]);
            known.map_or_else(|| found[0].to_owned(), |(_, hidden)| hidden.clone())
        });
        shown.into_owned()
    }

    fn stand_in(&mut self, what: &str, hidden: &str) -> String {
        if let Some((stand_in, _)) = self.hidden.iter().find(|(_, known)| known == hidden) {
            return stand_in.clone();
        }
        let stand_in = format!("{what}-{}", self.hidden.len() + 1);
        self.hidden.push((stand_in.clone(), hidden.to_owned()));
        stand_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_numbers_are_hidden_and_shown_again() {
        for (text, hidden) in [
            ("I am anna.b+x@mail.example.org, again anna.b+x@mail.example.org", "I am EMAIL-1, again EMAIL-1"),
            ("call +44 20 7946 0123 or 07700 900123", "call PHONE-1 or PHONE-2"),
            ("(030) 901820-17", "PHONE-1"),
            ("555-010-4477 is mine", "PHONE-1 is mine"),
            ("PX 1234 5678 5 GB on 01.12.2026 for £12.50", "PX 1234 5678 5 GB on 01.12.2026 for £12.50"),
            (
                r#"{"expected":"2026-11-27","number":"PX123456785GB"}"#,
                r#"{"expected":"2026-11-27","number":"PX123456785GB"}"#,
            ),
            ("2 kg, 30x20x10", "2 kg, 30x20x10"),
        ] {
            let mut mask = Mask::new(true);
            assert_eq!(mask.hide(text), hidden);
            assert_eq!(mask.show(hidden), text);
            assert_eq!(Mask::new(false).hide(text), text);
        }
        let mut mask = Mask::new(true);
        assert!(!mask.hide("my card is 4111 1111 1111 1111").contains("4111"));
        assert_eq!(mask.show("EMAIL-7 stays"), "EMAIL-7 stays");
    }
}

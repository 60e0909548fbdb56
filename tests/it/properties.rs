//! What holds for any text: the normal form, the matcher, the frames.

use std::sync::LazyLock;

use proptest::prelude::*;
use purser::responders::faq::matcher::{EntryWordings, Matcher, Mode, Outcome, Wordings};
use purser::responders::faq::normalise::normalise;
use purser::web::protocol::{ClientFrame, PlainFrame};

static MATCHER: LazyLock<Matcher> = LazyLock::new(|| {
    let entry = |phrases: &[&str]| EntryWordings {
        phrases: phrases.iter().map(|phrase| (*phrase).to_owned()).collect(),
        mode: Mode::Wording,
        priority: 0,
    };
    Matcher::build(&Wordings {
        language: "en".to_owned(),
        entries: vec![
            entry(&["where is my parcel", "track my parcel", "parcel has not arrived"]),
            entry(&["host a party", "party at home"]),
        ],
        words: vec![("parcel".to_owned(), vec!["package".to_owned(), "my stuff".to_owned()])],
        ignore: vec!["please".to_owned()],
        not_ours: vec!["what is the weather like".to_owned()],
    })
});

proptest! {
    #[test]
    fn normalising_twice_is_normalising_once(text in any::<String>()) {
        let once = normalise(&text);
        prop_assert_eq!(normalise(&once), once);
    }

    #[test]
    fn the_matcher_takes_any_text_and_says_the_same_twice(text in any::<String>()) {
        let found = MATCHER.find(&text);
        prop_assert!((0.0..=1.0).contains(&found.known));
        for candidate in MATCHER.nearest(&text, 3) {
            prop_assert!((0.0..=1.0).contains(&candidate.score), "{candidate:?}");
        }
        prop_assert_eq!(MATCHER.find(&text), found);
    }

    /// A word of the content inside another word is not that word. No h before it and neither s nor t after it:
    /// "hhhosttt" is a host who was drawn out, and "hosts" are several.
    #[test]
    fn a_word_inside_a_word_is_not_heard(before in "[b-dfgj-np-tv-xz]{2,4}", after in "[b-df-hj-np-rvwxz]{2,4}") {
        let text = format!("{before}host{after}");
        prop_assert_eq!(MATCHER.find(&text).outcome, Outcome::Nothing, "{}", text);
    }

    #[test]
    fn any_bytes_are_a_frame_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = serde_json::from_str::<ClientFrame>(&text);
        let _ = serde_json::from_str::<PlainFrame>(&text);
    }

    #[test]
    fn a_plain_frame_comes_out_as_it_went_in(message in any::<String>()) {
        let json = serde_json::to_string(&PlainFrame { message: message.as_str().into() }).expect("JSON");
        let back: PlainFrame = serde_json::from_str(&json).expect("a frame");
        prop_assert_eq!(back.message, message);
    }
}

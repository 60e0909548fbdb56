use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use ring::hmac;
use serde_json::{Value, json};

use super::*;
use crate::hex::hex;

const OLD: &str = "an older secret of the shop, 32 bytes";
const NEW: &str = "a newer secret of the shop, 32 bytes";
/// In milliseconds; tokens count seconds.
const NOW: Millis = 1_800_000_000_000;

fn shop() -> Identity {
    let secrets = [("old", OLD), ("new", NEW)].map(|(kid, secret)| (kid.to_owned(), secret.to_owned())).into();
    Identity::new(Some(Keys { audience: "purser".to_owned(), secrets, chatwoot: Some(OLD.to_owned()) }))
}

fn signature(signed: &str, secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()))
}

fn token(header: &Value, claims: &Value, secret: &str) -> String {
    let part = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    format!("{signed}.{}", signature(&signed, secret))
}

fn header() -> Value {
    json!({ "alg": "HS256", "typ": "JWT", "kid": "new" })
}

/// Good for five minutes.
fn claims() -> Value {
    json!({ "sub": "4711", "aud": "purser", "exp": NOW / 1000 + 300 })
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

#[test]
fn a_signed_token_tells_the_customer() {
    let customer = shop().customer(&token(&header(), &claims(), NEW), NOW).expect("a customer");
    assert_eq!((customer.account.as_str(), customer.until), ("4711", Some(NOW + 300_000)));
    assert_eq!(customer.visitor(), VisitorId::of_account("4711"));
    assert!(customer.profile.is_empty());
}

#[test]
fn only_hs256_with_a_configured_key_counts() {
    let good = token(&header(), &claims(), NEW);
    let (signed, mac) = good.rsplit_once('.').expect("a signature");
    let (head, body) = signed.split_once('.').expect("claims");
    let other = URL_SAFE_NO_PAD.encode(with(claims(), "sub", json!("4712")).to_string());
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let padded = URL_SAFE.encode(claims().to_string());
    let cases = [
        (String::new(), Refusal::Unreadable),
        ("a.b.c".to_owned(), Refusal::Unreadable),
        (format!("{head}.{body}"), Refusal::Unreadable),
        (format!("{good}.{mac}"), Refusal::Signature),
        // Signed by nobody, or by somebody else.
        (format!("{none}.{body}."), Refusal::Algorithm),
        (format!("{head}.{body}."), Refusal::Signature),
        (format!("{head}.{body}.{}", &mac[..20]), Refusal::Signature),
        (token(&header(), &claims(), OLD), Refusal::Signature),
        (token(&header(), &claims(), ""), Refusal::Signature),
        (token(&with(header(), "kid", json!("old")), &claims(), NEW), Refusal::Signature),
        // Swapped: another customer's claims under this one's signature.
        (format!("{head}.{other}.{mac}"), Refusal::Signature),
        // Other algorithms, also with a good signature.
        (token(&with(header(), "alg", json!("none")), &claims(), NEW), Refusal::Algorithm),
        (token(&with(header(), "alg", json!("hs256")), &claims(), NEW), Refusal::Algorithm),
        (token(&with(header(), "alg", json!("HS512")), &claims(), NEW), Refusal::Algorithm),
        (token(&with(header(), "alg", json!("RS256")), &claims(), NEW), Refusal::Algorithm),
        (token(&with(header(), "alg", json!(["HS256"])), &claims(), NEW), Refusal::Unreadable),
        (token(&with(header(), "crit", json!(["b64"])), &claims(), NEW), Refusal::Algorithm),
        (token(&json!({}), &claims(), NEW), Refusal::Unreadable),
        // A `kid` is a name and nothing else.
        (token(&with(header(), "kid", json!("gone")), &claims(), NEW), Refusal::UnknownKey),
        (token(&with(header(), "kid", json!("")), &claims(), ""), Refusal::UnknownKey),
        (token(&with(header(), "kid", json!("../../dev/null")), &claims(), ""), Refusal::UnknownKey),
        (token(&with(header(), "kid", json!("new' OR '1")), &claims(), NEW), Refusal::UnknownKey),
        (token(&with(header(), "kid", json!(7)), &claims(), NEW), Refusal::Unreadable),
        // A key that the token brings along.
        (token(&with(header(), "jwk", json!({ "kty": "oct", "k": "AAAA" })), &claims(), "\0\0\0"), Refusal::Signature),
        // One token has one spelling.
        (format!("{good}="), Refusal::Unreadable),
        (format!("{head}.{padded}=.{mac}"), Refusal::Signature),
        (format!("{head} .{body}.{mac}"), Refusal::Unreadable),
        (format!("{head}.{body}.{}", "A".repeat(9_000)), Refusal::Unreadable),
    ];
    for (token, refusal) in cases {
        assert_eq!(shop().customer(&token, NOW), Err(refusal), "{token}");
    }
    assert_eq!(Identity::new(None).customer(&good, NOW), Err(Refusal::NoKeys));
}

#[test]
fn a_key_is_changed_without_a_gap() {
    let shop = shop();
    let without_kid = json!({ "alg": "HS256" });
    for token in [
        token(&with(header(), "kid", json!("old")), &claims(), OLD),
        token(&header(), &claims(), NEW),
        token(&without_kid, &claims(), OLD),
        token(&without_kid, &claims(), NEW),
    ] {
        assert!(shop.customer(&token, NOW).is_ok(), "{token}");
    }
    let secrets = [("new".to_owned(), NEW.to_owned())].into();
    shop.set(Some(Keys { audience: "purser".to_owned(), secrets, chatwoot: None }));
    let old = token(&with(header(), "kid", json!("old")), &claims(), OLD);
    assert_eq!(shop.customer(&old, NOW), Err(Refusal::UnknownKey));
    assert_eq!(shop.customer(&token(&without_kid, &claims(), OLD), NOW), Err(Refusal::Signature));
}

#[test]
fn a_token_is_for_purser_and_for_now() {
    let seconds = NOW / 1000;
    for (key, value, refusal) in [
        ("aud", json!("shop"), Some(Refusal::Audience)),
        ("aud", json!(["shop", "purser"]), None),
        ("aud", json!([]), Some(Refusal::Audience)),
        ("aud", json!("purser/erase"), Some(Refusal::Audience)),
        ("aud", Value::Null, Some(Refusal::Unreadable)),
        ("sub", json!(""), Some(Refusal::Nobody)),
        ("sub", json!(4711), Some(Refusal::Nobody)),
        ("sub", Value::Null, Some(Refusal::Nobody)),
        ("sub", json!("a\nb"), Some(Refusal::Nobody)),
        ("sub", json!("x".repeat(256)), Some(Refusal::Nobody)),
        // A minute is for clocks that disagree.
        ("exp", json!(seconds - 59), None),
        ("exp", json!(seconds - 60), Some(Refusal::Expired)),
        ("exp", json!(seconds as f64 + 0.5), None),
        ("exp", json!(-1), Some(Refusal::Expired)),
        ("exp", json!(0), Some(Refusal::Expired)),
        ("exp", json!("2099"), Some(Refusal::Unreadable)),
        ("exp", Value::Null, Some(Refusal::Unreadable)),
        ("exp", json!(seconds + 86_460), None),
        ("exp", json!(seconds + 86_461), Some(Refusal::TooLong)),
        ("exp", json!(1e300), Some(Refusal::TooLong)),
        ("nbf", json!(seconds + 60), None),
        ("nbf", json!(seconds + 61), Some(Refusal::TooEarly)),
        ("iat", json!(seconds + 61), Some(Refusal::TooEarly)),
        ("iat", json!(1e300), Some(Refusal::TooEarly)),
    ] {
        let token = token(&header(), &with(claims(), key, value.clone()), NEW);
        assert_eq!(shop().customer(&token, NOW).err(), refusal, "{key}: {value}");
    }
}

#[test]
fn what_the_site_says_is_cut_to_lines_of_text() {
    let address =
        json!({ "street_address": "Markt 1\nHof", "postal_code": "04109", "locality": "Leipzig", "country": "DE" });
    let mut all = claims();
    for (key, value) in [
        ("name", json!("  Ann \u{0}\n# Bold ")),
        ("email", json!("ann@shop.example")),
        ("locale", json!("de-AT")),
        ("address", address),
        (
            "attributes",
            json!({ "tier": "gold", "orders": 3, "vip": true, "name": "Eve", "Bad Name": "x", "list": [1], "nothing": null }),
        ),
    ] {
        all = with(all, key, value);
    }
    let customer = shop().customer(&token(&header(), &all, NEW), NOW).expect("a customer");
    let known: Vec<(&str, &str)> =
        customer.profile.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(
        known,
        [
            ("address", "Markt 1 Hof, 04109 Leipzig, DE"),
            ("city", "Leipzig"),
            ("country", "DE"),
            ("email", "ann@shop.example"),
            ("language", "de-AT"),
            ("name", "Ann # Bold"),
            ("orders", "3"),
            ("postcode", "04109"),
            ("street", "Markt 1 Hof"),
            ("tier", "gold"),
            ("vip", "yes"),
        ]
    );
    assert_eq!(customer.language(), Some("de-AT"));
    let long = with(claims(), "name", json!("x".repeat(5_000)));
    let customer = shop().customer(&token(&header(), &long, NEW), NOW).expect("a customer");
    assert_eq!(customer.profile["name"].len(), 300);
    let wrong = with(claims(), "language", json!("../../etc"));
    let customer = shop().customer(&token(&header(), &wrong, NEW), NOW).expect("a customer");
    assert_eq!(customer.language(), None);
}

#[test]
fn chatwoots_hash_is_taken() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, OLD.as_bytes());
    let hash = hex(hmac::sign(&key, b"4711").as_ref());
    let hashed = Hashed { identifier: "4711", hash: &hash, name: Some("Ann"), email: None };
    let customer = shop().hashed(hashed).expect("a customer");
    assert_eq!((customer.account.as_str(), customer.until), ("4711", None));
    assert_eq!(customer.profile["name"], "Ann");
    assert_eq!(customer.visitor(), VisitorId::of_account("4711"));
    for (identifier, hash, refusal) in [
        ("4712", hash.as_str(), Refusal::Signature),
        ("4711", "", Refusal::Unreadable),
        ("4711", &hash[..62], Refusal::Unreadable),
        ("4711", &"é".repeat(32), Refusal::Unreadable),
        ("4711", &"0".repeat(64), Refusal::Signature),
    ] {
        assert_eq!(
            shop().hashed(Hashed { identifier, hash, name: None, email: None }),
            Err(refusal),
            "{identifier} {hash}"
        );
    }
    let secrets = [("new".to_owned(), NEW.to_owned())].into();
    let without = Identity::new(Some(Keys { audience: "purser".to_owned(), secrets, chatwoot: None }));
    assert_eq!(without.hashed(hashed), Err(Refusal::NoKeys));
}

#[test]
fn a_customers_token_erases_nobody() {
    let chat = token(&header(), &claims(), NEW);
    assert_eq!(shop().to_erase(&chat, NOW), Err(Refusal::Audience));
    let erase = token(&header(), &with(claims(), "aud", json!("purser/erase")), NEW);
    assert_eq!(shop().to_erase(&erase, NOW).as_deref(), Ok("4711"));
}

#[test]
fn keys_are_not_shown() {
    let keys = shop().0.load_full().expect("keys");
    let shown = format!("{keys:?}");
    assert!(shown.contains("old") && !shown.contains("secret of the shop"), "{shown}");
}

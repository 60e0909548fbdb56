//! JSON Web Tokens in the one form that is taken: compact, HS256, for a while.
//!
//! What a token says about how it is to be checked is not believed: the algorithm is fixed, a `kid` only chooses among
//! the configured keys, and addresses of keys (`jku`, `x5u`) and keys (`jwk`) in it are not looked at.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::Deserialize;

use super::profile::Claims;
use super::{Keys, Refusal};
use crate::conversation::Millis;

/// The longest token, in bytes.
const MAX_TOKEN: usize = 8 * 1024;
/// The clocks of the site and of this machine may differ by so much.
const SKEW: Millis = 60_000;
/// A token that is good for longer than this is none for a browser.
const LONGEST: Millis = 24 * 60 * 60 * 1000;

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    /// Extensions that must be understood. None is.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// The claims of a token that one of the keys has signed for this audience, and whose time it is.
pub(super) fn verified(token: &str, keys: &Keys, audience: &str, now: Millis) -> Result<Claims, Refusal> {
    if token.len() > MAX_TOKEN {
        return Err(Refusal::Unreadable);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(Refusal::Unreadable)?;
    let (header, claims) = signed.split_once('.').ok_or(Refusal::Unreadable)?;
    let header: Header = serde_json::from_slice(&decoded(header)?).map_err(|_| Refusal::Unreadable)?;
    if header.alg != "HS256" || header.crit.is_some() {
        return Err(Refusal::Algorithm);
    }
    let signature = decoded(signature)?;
    let is_signed = |secret: &String| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
    };
    let is_ours = match &header.kid {
        Some(kid) => is_signed(keys.secrets.get(kid).ok_or(Refusal::UnknownKey)?),
        None => keys.secrets.values().any(is_signed),
    };
    if !is_ours {
        return Err(Refusal::Signature);
    }
    // Not before this is anything believed.
    let claims: Claims = serde_json::from_slice(&decoded(claims)?).map_err(|_| Refusal::Unreadable)?;
    if !claims.is_for(audience) {
        return Err(Refusal::Audience);
    }
    let until = claims.until();
    if until.saturating_add(SKEW) <= now {
        return Err(Refusal::Expired);
    }
    if claims.from().is_some_and(|from| from.saturating_sub(SKEW) > now) {
        return Err(Refusal::TooEarly);
    }
    if until.saturating_sub(SKEW) > now.saturating_add(LONGEST) {
        return Err(Refusal::TooLong);
    }
    Ok(claims)
}

/// Only the one spelling of these bytes: no padding, no bits that are left over.
fn decoded(part: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Unreadable)
}

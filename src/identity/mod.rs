//! Who the customer is, as the host site says it: a token that the site signs (a JWT with HS256), or the
//! `identifier_hash` of sites that come from Chatwoot.
//!
//! Pure: what a client brings, the keys and the time go in; a [`Customer`] or a [`Refusal`] comes out. What the site
//! says of a customer is text like any other: it is cut to a size here, and escaped where it shows.

mod jwt;
mod profile;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use ring::hmac;

use crate::conversation::{Millis, VisitorId};
use profile::Profile;

/// The shortest secret, in bytes: as many as the hash has.
pub const SHORTEST_KEY: usize = 32;
/// The longest id of a customer, in bytes.
const MAX_ACCOUNT: usize = 255;

/// What a site signs with.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// For whom a token must be made: its `aud`.
    pub audience: String,
    /// The secrets by the `kid` that tokens name. A site that changes its secret has two for a while.
    pub secrets: BTreeMap<String, String>,
    /// The secret of Chatwoot's identity validation, for sites that change over.
    pub chatwoot: Option<String>,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Keys { audience, secrets, chatwoot } = self;
        f.debug_struct("Keys")
            .field("audience", audience)
            .field("secrets", &secrets.keys())
            .field("chatwoot", &chatwoot.is_some())
            .finish()
    }
}

/// A customer whom the host site vouches for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Customer {
    /// The site's id of the customer.
    pub account: String,
    /// What the site says of the customer: `name`, `email`, `address`, …
    pub profile: Arc<BTreeMap<String, String>>,
    /// Until when the site vouches; `None`: for good.
    pub until: Option<Millis>,
}

impl Customer {
    /// Whose conversations the customer's are.
    pub fn visitor(&self) -> VisitorId {
        VisitorId::of_account(&self.account)
    }

    /// The language that the site knows the customer by.
    pub fn language(&self) -> Option<&str> {
        self.profile.get("language").map(String::as_str)
    }
}

/// What a client brings to say who its customer is, in the form of Chatwoot's widget.
#[derive(Clone, Copy)]
pub struct Hashed<'a> {
    /// The site's id of the customer.
    pub identifier: &'a str,
    /// HMAC-SHA256 of it in hex.
    pub hash: &'a str,
    /// Not signed: the customer may have written it.
    pub name: Option<&'a str>,
    /// Not signed either.
    pub email: Option<&'a str>,
}

/// Why somebody is not the customer that they say they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The configuration has no key for this kind of sign-in.
    #[error("no key is configured for it: see `identity` in purser.yaml")]
    NoKeys,
    /// It is no JWT, or a claim is not of its kind.
    #[error("it cannot be read")]
    Unreadable,
    /// Signed with something else, or not at all.
    #[error("it is not signed with HS256")]
    Algorithm,
    /// It names a key that is not configured.
    #[error("its `kid` is not configured")]
    UnknownKey,
    /// It was not signed with this key, or was changed since.
    #[error("its signature is wrong")]
    Signature,
    /// It is made for somebody else.
    #[error("its `aud` is another one")]
    Audience,
    /// It says of nobody who they are.
    #[error("its `sub` is no text of 1 to 255 bytes")]
    Nobody,
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet: do the clocks agree?")]
    TooEarly,
    /// It would be good for too long.
    #[error("it is valid for more than a day")]
    TooLong,
}

/// Tells customers by what the host site signed. Its keys may change at any time.
pub struct Identity(ArcSwapOption<Keys>);

impl Identity {
    /// With these keys; without any, nobody can sign in.
    pub fn new(keys: Option<Keys>) -> Identity {
        Identity(ArcSwapOption::from_pointee(keys))
    }

    /// Puts other keys in force.
    pub fn set(&self, keys: Option<Keys>) {
        self.0.store(keys.map(Arc::new));
    }

    /// The customer whom this token is about.
    pub fn customer(&self, token: &str, now: Millis) -> Result<Customer, Refusal> {
        let keys = self.0.load();
        let keys = keys.as_ref().ok_or(Refusal::NoKeys)?;
        let claims = jwt::verified(token, keys, &keys.audience, now)?;
        let (account, until) = (account(claims.subject())?, Some(claims.until()));
        Ok(Customer { account, profile: Arc::new(Profile::from(claims).known()), until })
    }

    /// The account that the site wants erased by this token. Its audience is another one, so that the token of a
    /// customer's browser is none.
    pub fn to_erase(&self, token: &str, now: Millis) -> Result<String, Refusal> {
        let keys = self.0.load();
        let keys = keys.as_ref().ok_or(Refusal::NoKeys)?;
        let claims = jwt::verified(token, keys, &format!("{}/erase", keys.audience), now)?;
        account(claims.subject())
    }

    /// The customer whose id was hashed for Chatwoot.
    pub fn hashed(&self, hashed: Hashed<'_>) -> Result<Customer, Refusal> {
        let keys = self.0.load();
        let secret = keys.as_ref().and_then(|keys| keys.chatwoot.as_deref()).ok_or(Refusal::NoKeys)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let hash = unhex(hashed.hash).ok_or(Refusal::Unreadable)?;
        hmac::verify(&key, hashed.identifier.as_bytes(), &hash).map_err(|_| Refusal::Signature)?;
        let profile = Profile::of(hashed.name, hashed.email);
        Ok(Customer { account: account(hashed.identifier)?, profile: Arc::new(profile.known()), until: None })
    }
}

fn account(id: &str) -> Result<String, Refusal> {
    let fits = (1..=MAX_ACCOUNT).contains(&id.len()) && !id.chars().any(char::is_control);
    if fits { Ok(id.to_owned()) } else { Err(Refusal::Nobody) }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..32).map(|at| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()).collect()
}

//! Webhooks: addresses of the site that are told what happened, as the operator configures them.
//!
//! A call is signed as Standard Webhooks has it: HMAC-SHA256 over its id, its time and its body. The id is the same
//! however often it is tried, so the other side knows a repeat.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use ring::hmac;
use serde::Deserialize;
use serde_json::Map;
use tokio::time::timeout;

use super::Attempt;
use super::address::Allowed;
use super::http::{client, failed};
use super::spec::{allowed, filled};
use super::template::Template;

/// How long one call may take.
const TIME: Duration = Duration::from_secs(15);
/// The shortest secret, in bytes.
const SHORTEST: usize = 24;
/// A secret that begins so goes on in base64, as Standard Webhooks has it.
const ENCODED: &str = "whsec_";

/// A webhook as an operator describes it, with the secret put in.
#[derive(Clone, PartialEq)]
pub struct HookSpec {
    url: Template,
    secret: String,
    allowed: Allowed,
    /// What it is told of.
    pub events: Vec<String>,
}

impl fmt::Debug for HookSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "POST({})", self.url.fixed)
    }
}

/// A webhook as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenHook {
    post: String,
    secret: String,
    events: Vec<String>,
    #[serde(default)]
    private: Vec<String>,
}

impl WrittenHook {
    /// Checks a webhook; `variable` gives the environment's. An error says what is wrong and repeats no secret.
    pub fn checked(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<HookSpec, String> {
        let url = Template::new(&self.post).map_err(|why| format!("post: {why}"))?;
        if url.params().next().is_some() {
            return Err("post: the address of a webhook has no places for parameters".to_owned());
        }
        let secret = filled(&self.secret, variable)?;
        if secret.len() < SHORTEST {
            let length = secret.len();
            return Err(format!("secret: it has {length} bytes, at least {SHORTEST} are needed: openssl rand -hex 32"));
        }
        if self.events.is_empty() {
            return Err("events: it is told of nothing; list what it is to be told of".to_owned());
        }
        Ok(HookSpec { allowed: allowed(&self.private, &url)?, url, secret, events: self.events })
    }
}

/// A webhook that can be called.
pub struct Hook {
    spec: HookSpec,
    client: Client,
    key: hmac::Key,
}

impl Hook {
    /// A webhook; an error if the client cannot be made.
    pub fn new(spec: HookSpec) -> Result<Hook, String> {
        let client = client(&[], &spec.allowed, |_| false)?;
        let key = match spec.secret.strip_prefix(ENCODED) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| format!("what follows {ENCODED} is no base64"))?,
            None => spec.secret.clone().into_bytes(),
        };
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        Ok(Hook { spec, client, key })
    }

    /// Calls it once. `at` is now, in seconds since 1970.
    pub async fn call(&self, id: &str, at: i64, body: String) -> Attempt {
        let Some(url) = self.spec.url.fill(&Map::new()) else {
            return Attempt::Refused("its address is not one".to_owned());
        };
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json");
        let request = request.header("webhook-id", id).header("webhook-timestamp", at.to_string());
        let request = request.header("webhook-signature", self.signature(id, at, &body)).body(body);
        match timeout(TIME, request.send()).await {
            Ok(Ok(response)) if response.status().is_success() => Attempt::Done(Map::new()),
            Ok(Ok(response)) if response.status() == StatusCode::GONE => {
                Attempt::Refused("it answers 410: it wants no calls any more".to_owned())
            }
            Ok(Ok(response)) => Attempt::Again(format!("it answers {}", response.status().as_u16())),
            Ok(Err(error)) => Attempt::Again(failed(error).told),
            Err(_) => Attempt::Again(format!("it took longer than {TIME:?}")),
        }
    }

    fn signature(&self, id: &str, at: i64, body: &str) -> String {
        let signed = hmac::sign(&self.key, format!("{id}.{at}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(signed.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<HookSpec, String> {
        let written: WrittenHook = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        written.checked(&|name| (name == "SECRET").then(|| "an-open-secret-of-32-bytes-or-so".to_owned()))
    }

    #[test]
    fn what_is_wrong_with_a_webhook_is_said() {
        let good = read("{ post: \"https://a.example/x\", secret: \"${SECRET}\", events: [closed] }").unwrap();
        assert!(!format!("{good:?}").contains("open"));
        for (text, expected) in [
            ("{ post: \"https://a.example/{x}\", secret: \"${SECRET}\", events: [closed] }", "no places"),
            ("{ post: \"https://a.example/\", secret: short, events: [closed] }", "secret: it has 5 bytes"),
            ("{ post: \"https://a.example/\", secret: \"${SECRET}\", events: [] }", "events: it is told of nothing"),
            (
                "{ post: \"http://10.0.0.1/\", secret: \"${SECRET}\", events: [closed] }",
                "10.0.0.1 belongs to a private",
            ),
            (
                "{ post: \"https://a.example/\", secret: \"${OTHER}\", events: [closed] }",
                "the variable OTHER is not set",
            ),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn a_call_is_signed_over_id_time_and_body() {
        let spec = read("{ post: \"https://a.example/\", secret: \"${SECRET}\", events: [closed] }").unwrap();
        let hook = Hook::new(spec).unwrap();
        let signature = hook.signature("id", 7, "{}");
        for other in [hook.signature("ie", 7, "{}"), hook.signature("id", 8, "{}"), hook.signature("id", 7, "{ }")] {
            assert_ne!(signature, other);
        }
    }
}

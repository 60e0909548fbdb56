//! Look-ups by HTTP GET, and the client for what is done by POST and PUT.

use std::sync::Arc;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Map, Value};

use super::address::{Allowed, Resolver};
use super::spec::{Http, Read};
use super::wire::{IDLE, IDLE_FOR, REDIRECTS, Wire, headers, is_same_host};
use super::{Failed, Trouble};
use crate::outbound;

/// A source that is asked by GET.
pub(super) struct HttpSource {
    spec: Http,
    wire: Wire,
}

impl HttpSource {
    /// A source; an error if it cannot be asked so.
    pub fn new(spec: Http) -> Result<HttpSource, String> {
        let wire = Wire::new(&spec.headers, spec.allowed.clone())?;
        Ok(HttpSource { spec, wire })
    }

    pub fn params(&self) -> Vec<&str> {
        self.spec.url.params().collect()
    }

    /// Asks. `Null` for what is not there (404 and 410), or if there is no content.
    pub async fn look_up(&self, params: &Map<String, Value>) -> Result<Value, Failed> {
        let url =
            self.spec.url.fill(params).ok_or_else(|| Failed::new(Trouble::Refused, "a parameter does not fit"))?;
        let (status, body) = self.wire.get(&url, self.spec.bytes).await?;
        match status {
            StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::NO_CONTENT => return Ok(Value::Null),
            status if status.is_success() => {}
            status => return Err(refused(status)),
        }
        let unreadable = |what: &str| Failed::new(Trouble::Unreadable, what);
        match &self.spec.read {
            Read::Text => String::from_utf8(body).map(Value::String).map_err(|_| unreadable("the answer is not UTF-8")),
            Read::Json(fields) => {
                let value: Value = serde_json::from_slice(&body).map_err(|_| unreadable("the answer is not JSON"))?;
                Ok(projected(value, fields))
            }
        }
    }
}

/// A client for one action or webhook. It follows redirects to the same host, with a status that `follows` likes.
pub(super) fn client(
    written: &[(String, String)],
    allowed: &Allowed,
    follows: fn(StatusCode) -> bool,
) -> Result<Client, String> {
    let client = outbound::client().default_headers(headers(written)?).redirect(same_host(follows));
    let client = client.dns_resolver(Arc::new(Resolver(allowed.clone())));
    outbound::made(client.pool_max_idle_per_host(IDLE).pool_idle_timeout(IDLE_FOR))
}

/// Redirects as look-ups follow them, of these statuses.
fn same_host(follows: fn(StatusCode) -> bool) -> Policy {
    Policy::custom(move |attempt: Attempt<'_>| {
        if !follows(attempt.status()) {
            return attempt.error("it redirects in a way that would change the request");
        }
        let first = attempt.previous().first();
        let same = first.is_some_and(|first| is_same_host(first, attempt.url()));
        match same {
            true if attempt.previous().len() <= REDIRECTS => attempt.follow(),
            true => attempt.error("it redirects too often"),
            false => attempt.error("it redirects to another host"),
        }
    })
}

/// The body, unless it is larger than `most` bytes.
pub(super) async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, Failed> {
    let too_large = || Failed::new(Trouble::TooLarge, format!("the answer has more than {most} bytes"));
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > most {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Why a source does not answer with a success.
pub(super) fn refused(status: StatusCode) -> Failed {
    let trouble = match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Trouble::Unavailable,
        status if status.is_client_error() => Trouble::Refused,
        _ => Trouble::Unavailable,
    };
    Failed::new(trouble, format!("it answers {}", status.as_u16()))
}

/// What went wrong on the way, without the address, which holds parameters.
pub(super) fn failed(error: reqwest::Error) -> Failed {
    Failed::new(Trouble::Unavailable, outbound::told(error))
}

/// Of a value the wanted fields; what is not there is `null`. Without any, all of it.
pub(super) fn projected(value: Value, fields: &[(String, Vec<String>)]) -> Value {
    if fields.is_empty() {
        return value;
    }
    let found = |path: &[String]| {
        path.iter().try_fold(&value, |value, step| match value {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?),
            other => other.get(step),
        })
    };
    fields.iter().map(|(name, path)| (name.clone(), found(path).cloned().unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_wanted_fields_are_taken() {
        let value = json!({ "a": { "b": [{ "c": 1 }, { "c": 2 }] }, "secret": 5 });
        let fields = [("last", "a.b.1.c"), ("all", "a.b"), ("none", "a.x.y")]
            .map(|(name, path)| (name.to_owned(), path.split('.').map(str::to_owned).collect()));
        let taken = projected(value.clone(), &fields);
        assert_eq!(taken, json!({ "last": 2, "all": [{ "c": 1 }, { "c": 2 }], "none": null }));
        assert_eq!(projected(value.clone(), &[]), value);
    }
}

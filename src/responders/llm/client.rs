//! Asks a server of models: one POST, and the answer as it comes.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::settings::Settings;
use super::stream::{Reader, Sent, Unreadable};
use super::wire::Said;
use crate::outbound;

/// The largest answer on the wire, in bytes: what a token costs there at most, so many times over.
const LARGEST: usize = 4 << 20;

/// Why there is no answer. None of it is for customers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It took too long: to begin, to go on, or in all.
    Timeout,
    /// It cannot be reached, failed, or broke off.
    Unavailable(String),
    /// It answers with this status that it has too much to do, or that we ask too much, and perhaps for how long.
    Busy(u16, Option<Duration>),
    /// It does not want this request: perhaps the key, or the model's name.
    Refused(u16),
    /// What it says cannot be read.
    Unreadable(&'static str),
    /// It says more than it was asked for.
    TooLarge,
}

impl Trouble {
    /// The word for it in metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Trouble::Timeout => "timeout",
            Trouble::Unavailable(_) => "unavailable",
            Trouble::Busy(..) => "busy",
            Trouble::Refused(_) => "refused",
            Trouble::Unreadable(_) => "unreadable",
            Trouble::TooLarge => "too large",
        }
    }

    /// What the operator wants to know. Never what was asked or answered.
    pub fn told(&self) -> String {
        match self {
            Trouble::Timeout => "it took too long".to_owned(),
            Trouble::Unavailable(told) => told.clone(),
            Trouble::Busy(status, _) => format!("it answers {status}"),
            Trouble::Refused(status) => format!("it answers {status}: are key, model and address right?"),
            Trouble::Unreadable(what) => format!("its answer cannot be read: {what}"),
            Trouble::TooLarge => "its answer is too large".to_owned(),
        }
    }
}

impl From<Unreadable> for Trouble {
    fn from(Unreadable(what): Unreadable) -> Trouble {
        Trouble::Unreadable(what)
    }
}

/// What a call says while it is under way.
pub(super) enum Heard<'a> {
    /// The first piece with something in it has come.
    Begun,
    /// More text.
    Text(&'a str),
}

/// A client for one server.
pub(super) struct Server {
    client: Client,
    url: String,
}

impl Server {
    /// An error if no client can be made.
    pub fn new(settings: &Settings) -> Result<Server, String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"));
        if let Some(key) = &settings.key {
            let value = HeaderValue::from_str(&format!("Bearer {}", key.expose()));
            let mut value = value.map_err(|_| "the key cannot be sent in a header".to_owned())?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let client = outbound::client().default_headers(headers).connect_timeout(settings.first_token);
        let client = outbound::made(client)?;
        Ok(Server { client, url: format!("{}/chat/completions", settings.url.trim_end_matches('/')) })
    }

    /// Asks with these messages, and these tools if there are any, until `end`. `heard` is told of what comes; when it
    /// wants no more, the connection is closed and what was said until then is given. Dropped, it closes it too.
    pub async fn ask(
        &self,
        settings: &Settings,
        messages: &[Value],
        tools: &[Value],
        end: Instant,
        heard: &mut (dyn FnMut(Heard<'_>) -> bool + Send),
    ) -> Result<Said, Trouble> {
        let body = body(settings, messages, tools).to_string();
        let mut next = (Instant::now() + settings.first_token).min(end);
        let sent = self.client.post(&self.url).body(body).send();
        let response = timeout_at(next, sent).await.map_err(|_| Trouble::Timeout)?.map_err(failed)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::TOO_MANY_REQUESTS => return Err(Trouble::Busy(429, wait(&response))),
            StatusCode::SERVICE_UNAVAILABLE if wait(&response).is_some() => {
                return Err(Trouble::Busy(503, wait(&response)));
            }
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                return Err(Trouble::Unavailable(format!("it answers {}", status.as_u16())));
            }
            status => return Err(Trouble::Refused(status.as_u16())),
        }
        let mut said = Said::default();
        if !is_stream(&response) {
            let body = timeout_at(end, whole(response)).await.map_err(|_| Trouble::Timeout)??;
            let value: Value = serde_json::from_slice(&body).map_err(|_| Trouble::Unreadable("it is not JSON"))?;
            take(&mut said, &value, &mut false, heard)?;
            return Ok(said);
        }
        let mut response = response;
        let mut reader = Reader::default();
        let mut begun = false;
        let mut bytes = 0;
        loop {
            let chunk = timeout_at(next, response.chunk()).await.map_err(|_| Trouble::Timeout)?.map_err(failed)?;
            let pieces = match &chunk {
                Some(chunk) => reader.push(chunk)?,
                None => reader.finish()?.into_iter().collect(),
            };
            bytes += chunk.as_ref().map_or(0, |chunk| chunk.len());
            if bytes > LARGEST {
                return Err(Trouble::TooLarge);
            }
            for piece in pieces {
                match piece {
                    Sent::Done => return Ok(said),
                    Sent::Json(value) => {
                        if !take(&mut said, &value, &mut begun, heard)? {
                            return Ok(said);
                        }
                    }
                }
            }
            if chunk.is_none() {
                let broke_off = || Trouble::Unavailable("it broke off in the middle".to_owned());
                return if said.finish.is_some() { Ok(said) } else { Err(broke_off()) };
            }
            // Comments that keep the connection alive are no progress.
            if begun {
                next = (Instant::now() + settings.first_token).min(end);
            }
        }
    }
}

/// Takes in a piece and tells of it; whether more is wanted.
fn take(
    said: &mut Said,
    piece: &Value,
    begun: &mut bool,
    heard: &mut (dyn FnMut(Heard<'_>) -> bool + Send),
) -> Result<bool, Trouble> {
    let calls = said.calls.len();
    let text = said.take(piece).map_err(|told| {
        // What a provider says may quote the customer, so it is not logged.
        drop(told);
        Trouble::Unavailable("it reports an error".to_owned())
    })?;
    if !*begun && (!text.is_empty() || said.calls.len() > calls) {
        *begun = true;
        heard(Heard::Begun);
    }
    Ok(text.is_empty() || heard(Heard::Text(&text)))
}

/// The body of a request.
fn body(settings: &Settings, messages: &[Value], tools: &[Value]) -> Value {
    let mut body = json!({
        "model": settings.model,
        "messages": messages,
        "stream": settings.stream,
        "max_tokens": settings.answer_tokens,
        "temperature": 0.2,
    });
    if settings.stream {
        body["stream_options"] = json!({ "include_usage": true });
    }
    if !tools.is_empty() {
        body["tools"] = tools.into();
    }
    if let Value::Object(fields) = &mut body {
        for (name, value) in &settings.extra {
            match value {
                Value::Null => drop(fields.remove(name)),
                value => drop(fields.insert(name.clone(), value.clone())),
            }
        }
    }
    body
}

/// How long it wants to be left alone, if it says so in seconds. A date is a guess of its clock against ours.
fn wait(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds)).filter(|wait| !wait.is_zero())
}

fn is_stream(response: &Response) -> bool {
    let media = response.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
    !media.trim_start().starts_with("application/json")
}

async fn whole(mut response: Response) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(Trouble::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What went wrong on the way.
fn failed(error: reqwest::Error) -> Trouble {
    if error.is_timeout() { Trouble::Timeout } else { Trouble::Unavailable(outbound::told(error)) }
}

/// How long this is, in whole milliseconds.
pub(super) fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_adds_to_a_request_and_takes_away_from_it() {
        let mut settings = Settings { model: "m".to_owned(), ..Settings::default() };
        settings.extra = [("max_tokens", Value::Null), ("max_completion_tokens", json!(9)), ("seed", json!(1))]
            .map(|(name, value)| (name.to_owned(), value))
            .into_iter()
            .collect();
        let body = body(&settings, &[json!({ "role": "user", "content": "hi" })], &[]);
        assert_eq!(body.get("max_tokens"), None);
        assert_eq!(
            (&body["max_completion_tokens"], &body["seed"], &body["stream"]),
            (&json!(9), &json!(1), &json!(true))
        );
        assert_eq!(body.get("tools"), None);
    }
}

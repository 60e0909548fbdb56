//! Asks a server of models: one POST, and the answer as it comes.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc2822;
use tokio::time::{Instant, timeout, timeout_at};

use super::settings::Settings;
use super::stream::{Reader, Sent, Unreadable};
use super::wire::Said;
use crate::outbound;

/// The largest answer on the wire, in bytes: what a token costs there at most, so many times over.
const LARGEST: usize = 4 << 20;
/// So long the end of a stream is waited for when all of the answer is there.
const TAIL: Duration = Duration::from_secs(2);

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
        // What comes whole begins when it is complete.
        let mut next = if settings.stream { (Instant::now() + settings.first_token).min(end) } else { end };
        let sent = self.client.post(&self.url).body(body).send();
        let mut response = timeout_at(next, sent).await.map_err(|_| Trouble::Timeout)?.map_err(failed)?;
        accepted(&response)?;
        let mut said = Said::default();
        let mut reader = Reader::default();
        let mut begun = false;
        let mut bytes = 0;
        loop {
            let chunk = match timeout_at(next, response.chunk()).await {
                Ok(Ok(chunk)) => chunk,
                // The answer is there, whatever became of the rest.
                Ok(Err(_)) | Err(_) if said.finish.is_some() => return Ok(said),
                Ok(Err(error)) => return Err(failed(error)),
                Err(_) => return Err(Trouble::Timeout),
            };
            let pieces = match &chunk {
                Some(chunk) => reader.push(chunk)?,
                None => reader.finish()?.into_iter().collect(),
            };
            bytes += chunk.as_ref().map_or(0, |chunk| chunk.len());
            if bytes > LARGEST {
                return Err(Trouble::TooLarge);
            }
            for piece in pieces {
                let Sent::Json(value) = piece else {
                    let_end(response);
                    return complete(said);
                };
                let more = said.take(&value).map_err(|told| {
                    // What a provider says may quote the customer, so it is not logged.
                    drop(told);
                    Trouble::Unavailable("it reports an error".to_owned())
                })?;
                // Comments that keep the connection alive, and empty pieces, are no progress.
                if more.is_something {
                    next = (Instant::now() + settings.first_token).min(end);
                    if !std::mem::replace(&mut begun, true) {
                        heard(Heard::Begun);
                    }
                }
                if !more.text.is_empty() && !heard(Heard::Text(&more.text)) {
                    return Ok(said);
                }
                if said.finish.is_some() {
                    next = (Instant::now() + TAIL).min(end);
                }
            }
            if chunk.is_none() {
                let is_complete = said.finish.is_some() || reader.is_whole();
                let broke_off = || Trouble::Unavailable("it broke off in the middle".to_owned());
                return if is_complete { complete(said) } else { Err(broke_off()) };
            }
        }
    }
}

/// Whether a server answers at all.
fn accepted(response: &Response) -> Result<(), Trouble> {
    match response.status() {
        StatusCode::OK => Ok(()),
        StatusCode::TOO_MANY_REQUESTS => Err(Trouble::Busy(429, wait(response))),
        StatusCode::SERVICE_UNAVAILABLE if wait(response).is_some() => Err(Trouble::Busy(503, wait(response))),
        status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
            Err(Trouble::Unavailable(format!("it answers {}", status.as_u16())))
        }
        status => Err(Trouble::Refused(status.as_u16())),
    }
}

/// What was said, if anything was an answer.
fn complete(said: Said) -> Result<Said, Trouble> {
    if said.has_choice { Ok(said) } else { Err(Trouble::Unreadable("there is no answer in it")) }
}

/// Lets a response come to its end, so that its connection can take the next question: to make another one costs a
/// distant server's first words a few ways there and back.
fn let_end(mut response: Response) {
    tokio::spawn(async move {
        let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
        let _ = timeout(TAIL, rest).await;
    });
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
        // Without tools, servers refuse these.
        let refused = |name: &str| tools.is_empty() && matches!(name, "tool_choice" | "parallel_tool_calls");
        for (name, value) in &settings.extra {
            match value {
                _ if refused(name) => {}
                Value::Null => drop(fields.remove(name)),
                value => drop(fields.insert(name.clone(), value.clone())),
            }
        }
    }
    body
}

/// How long it wants to be left alone: it says so in seconds, or with a time by its own clock.
fn wait(response: &Response) -> Option<Duration> {
    let header = |name: HeaderName| Some(response.headers().get(name)?.to_str().ok()?.trim());
    let time = |text: &str| OffsetDateTime::parse(text, &Rfc2822).ok();
    let until = header(RETRY_AFTER)?;
    let wait = match until.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => Duration::try_from(time(until)? - time(header(DATE)?)?).ok()?,
    };
    Some(wait).filter(|wait| !wait.is_zero())
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
        let tool = json!({ "type": "function" });
        settings.extra = [("tool_choice".to_owned(), json!("required"))].into_iter().collect();
        let [with, without] = [&[tool][..], &[]].map(|tools| super::body(&settings, &[], tools));
        assert_eq!((&with["tool_choice"], without.get("tool_choice")), (&json!("required"), None));
    }
}

//! Actions: what plugins may have done for customers, as the operator configures it: an address to POST or PUT to.
//!
//! A request carries the name of its errand as `Idempotency-Key`. It is sent again until the other side has said what
//! became of it, so the other side must do the same key once only.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::timeout;

use super::address::Allowed;
use super::http::{body, client, failed, projected};
use super::spec::{allowed, headers, path};
use super::template::Template;
use super::wire;

/// The largest answer that is read, in bytes. What is done is done, also if its answer is larger.
const MOST: usize = 64 << 10;
/// How long one attempt may take, unless the action says otherwise.
const TIME: Duration = Duration::from_secs(10);
/// For how long it is tried, unless the action says otherwise.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// An action as an operator describes it, with secrets of the environment put in.
#[derive(Clone, PartialEq)]
pub struct ActionSpec {
    method: Method,
    url: Template,
    headers: Vec<(String, String)>,
    fields: Vec<(String, Vec<String>)>,
    allowed: Allowed,
    /// How long one attempt may take.
    time: Duration,
    /// For how long it is tried.
    patience: Duration,
}

/// Secrets are in headers.
impl fmt::Debug for ActionSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.method, self.url.fixed)
    }
}

/// An action as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenAction {
    post: Option<String>,
    put: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    fields: BTreeMap<String, String>,
    #[serde(default)]
    private: Vec<String>,
    seconds: Option<f64>,
    minutes: Option<f64>,
}

impl WrittenAction {
    /// Checks an action; `variable` gives the environment's. An error says what is wrong and repeats no secret.
    pub fn checked(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<ActionSpec, String> {
        let (method, key, url) = match (&self.post, &self.put) {
            (Some(url), None) => (Method::POST, "post", url),
            (None, Some(url)) => (Method::PUT, "put", url),
            _ => return Err("an action has either `post` or `put`".to_owned()),
        };
        let url = Template::new(url).map_err(|why| format!("{key}: {why}"))?;
        let seconds = self.seconds.unwrap_or(TIME.as_secs_f64());
        if !(0.05..=60.0).contains(&seconds) {
            return Err("seconds: an attempt may take 0.05 to 60 seconds".to_owned());
        }
        let minutes = self.minutes.unwrap_or(PATIENCE.as_secs_f64() / 60.0);
        if !(0.0..=10_080.0).contains(&minutes) {
            return Err("minutes: it may be tried for 0 to 10080 minutes, which is a week".to_owned());
        }
        Ok(ActionSpec {
            method,
            headers: headers(self.headers, variable)?,
            fields: self.fields.into_iter().map(path).collect::<Result<_, _>>()?,
            allowed: allowed(&self.private, &url)?,
            url,
            time: Duration::from_secs_f64(seconds),
            patience: Duration::from_secs_f64(minutes * 60.0),
        })
    }
}

/// The actions of the configuration. They can be exchanged at any time.
#[derive(Default)]
pub struct Actions(ArcSwap<BTreeMap<String, Arc<Action>>>);

struct Action {
    spec: ActionSpec,
    /// Made when it is first wanted: a client reads all certificates that the system trusts.
    client: OnceLock<Client>,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Attempt {
    /// It is done; of the answer the configured fields, or all of it.
    Done(Map<String, Value>),
    /// It is not done, and never will be. For the log: why.
    Refused(String),
    /// Nobody knows yet. For the log: why.
    Again(String),
}

impl Actions {
    /// Puts other actions in force. Those that did not change keep their connections.
    pub fn set(&self, specs: &BTreeMap<String, ActionSpec>) {
        let before = self.0.load_full();
        let action = |(name, spec): (&String, &ActionSpec)| {
            if let Some(same) = before.get(name).filter(|before| before.spec == *spec) {
                return Some((name.clone(), same.clone()));
            }
            match wire::headers(&spec.headers) {
                Ok(_) => Some((name.clone(), Arc::new(Action { spec: spec.clone(), client: OnceLock::new() }))),
                Err(error) => {
                    tracing::error!(action = %name, "the action {name} cannot be used: {error}");
                    None
                }
            }
        };
        self.0.store(Arc::new(specs.iter().filter_map(action).collect()));
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.load().contains_key(name)
    }

    /// How long an attempt may take at most.
    pub fn time(&self, name: &str) -> Duration {
        self.0.load().get(name).map_or(TIME, |action| action.spec.time)
    }

    /// For how long an errand is tried.
    pub fn patience(&self, name: &str) -> Duration {
        self.0.load().get(name).map_or(PATIENCE, |action| action.spec.patience)
    }

    /// Tries once to have it done. The same `key` is the same errand.
    pub async fn carry_out(&self, name: &str, key: &str, params: &Map<String, Value>) -> Attempt {
        let Some(action) = self.0.load().get(name).cloned() else {
            return Attempt::Again("purser.yaml has no such action".to_owned());
        };
        match timeout(action.spec.time, action.carry_out(key, params)).await {
            Ok(attempt) => attempt,
            Err(_) => Attempt::Again(format!("it took longer than {:?}", action.spec.time)),
        }
    }
}

impl Action {
    async fn carry_out(&self, key: &str, params: &Map<String, Value>) -> Attempt {
        let spec = &self.spec;
        let Some(url) = spec.url.fill(params) else {
            return Attempt::Refused("a parameter is missing, or does not fit its place in the address".to_owned());
        };
        let in_url: Vec<&str> = spec.url.params().collect();
        let told: Map<String, Value> = params
            .iter()
            .filter(|(name, _)| !in_url.contains(&name.as_str()))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return Attempt::Again(error),
        };
        let request = client.request(spec.method.clone(), url).header("Idempotency-Key", key);
        let request = request.header(CONTENT_TYPE, "application/json").body(Value::Object(told).to_string());
        match request.send().await {
            Ok(response) => self.answered(response).await,
            Err(error) => Attempt::Again(failed(error).told),
        }
    }

    fn client(&self) -> Result<&Client, String> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let made = client(&self.spec.headers, &self.spec.allowed, keeps_the_request)?;
        Ok(self.client.get_or_init(|| made))
    }

    async fn answered(&self, response: Response) -> Attempt {
        let status = response.status();
        if !status.is_success() {
            let told = format!("it answers {}", status.as_u16());
            return if is_final(status) { Attempt::Refused(told) } else { Attempt::Again(told) };
        }
        // An answer that cannot be read makes nothing undone.
        let body = body(response, MOST).await.unwrap_or_default();
        let value: Value = serde_json::from_slice(&body).unwrap_or_default();
        match projected(value, &self.spec.fields) {
            Value::Object(fields) => Attempt::Done(fields),
            _ => Attempt::Done(Map::new()),
        }
    }
}

/// The redirects that send the same request once more, and not a GET without its body.
fn keeps_the_request(status: StatusCode) -> bool {
    matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT)
}

/// Whether the other side has made up its mind. A conflict is what it answers while the same key is under way; a login
/// that is refused is for the operator to mend.
fn is_final(status: StatusCode) -> bool {
    let for_now = [
        StatusCode::UNAUTHORIZED,
        StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::CONFLICT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_client_error() && !for_now.contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_answers_are_final_and_some_are_not() {
        for (status, expected) in [
            (400, true),
            (403, true),
            (404, true),
            (422, true),
            (401, false),
            (409, false),
            (429, false),
            (500, false),
            (503, false),
        ] {
            assert_eq!(is_final(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_action_is_said() {
        let read = |text: &str| -> Result<ActionSpec, String> {
            let written: WrittenAction = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
            written.checked(&|name| (name == "TOKEN").then(|| "sesame".to_owned()))
        };
        let good =
            read("{ put: \"https://a.example/{n}\", headers: { Authorization: \"Bearer ${TOKEN}\" }, minutes: 5 }")
                .unwrap();
        assert_eq!((good.method.as_str(), good.patience), ("PUT", Duration::from_secs(300)));
        assert!(!format!("{good:?}").contains("sesame"));
        for (text, expected) in [
            ("{ seconds: 1 }", "an action has either `post` or `put`"),
            ("{ post: \"https://a.example/\", put: \"https://a.example/\" }", "an action has either `post` or `put`"),
            (
                "{ post: \"http://10.0.0.1/\" }",
                "10.0.0.1 belongs to a private network; list it in `private` if that is meant",
            ),
            ("{ post: a }", "post: `a` is not an address"),
            ("{ post: \"https://a.example/\", seconds: 0 }", "seconds: an attempt may take"),
            ("{ post: \"https://a.example/\", minutes: -1 }", "minutes: it may be tried"),
            ("{ post: \"https://a.example/\", fields: { a: b..c } }", "fields: `b..c` is no path"),
        ] {
            let told = read(text).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }
}

//! GET over HTTP/1.1, by connections that hold next to nothing while they wait.
//!
//! A source may take its time, and thousands of look-ups may wait for one. The client that everything else here uses keeps some
//! 26 KiB of buffers for each of them; a connection of this one has the kibibyte that the answer's head is read into. What the
//! bytes mean is the concern of ureq-proto, which reads and writes nothing itself.

use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use reqwest::Url;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;
use ureq_proto::BodyMode;
use ureq_proto::client::state::RecvResponse;
use ureq_proto::client::{Call, RecvBodyResult, RecvResponseResult, SendRequestResult};
use ureq_proto::http::header::{ACCEPT, LOCATION, USER_AGENT};
use ureq_proto::http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};

use super::address::Allowed;
use super::{Failed, Trouble};

/// Connections that are kept open for the next look-up.
pub(super) const IDLE: usize = 16;
pub(super) const IDLE_FOR: Duration = Duration::from_secs(30);
/// A redirect may follow a redirect so often.
pub(super) const REDIRECTS: usize = 3;
/// How long one of several addresses may keep silent before the next one is tried.
const SILENT: Duration = Duration::from_secs(1);
/// What is read at a time to begin with, in bytes.
const PIECE: usize = 1 << 10;
/// The longest head of an answer, in bytes.
const MOST_HEAD: usize = 32 << 10;

/// TLS as the system trusts it.
static TLS: LazyLock<Result<Arc<ClientConfig>, String>> = LazyLock::new(|| {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.and_then(BuilderVerifierExt::with_platform_verifier).map_err(|error| error.to_string())?;
    Ok(Arc::new(config.with_no_client_auth()))
});

/// What one source is asked over: its headers, its addresses, and its idle connections.
pub(super) struct Wire {
    headers: HeaderMap,
    allowed: Allowed,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    place: Place,
    stream: Stream,
    since: Instant,
}

type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Where a connection leads.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    is_tls: bool,
    /// Without the brackets of IPv6.
    host: String,
    port: u16,
}

/// What came back.
struct Answer {
    status: StatusCode,
    location: Option<String>,
    body: Vec<u8>,
    /// Whether the connection can be used again.
    is_kept: bool,
}

/// Why there is no answer.
enum Broken {
    /// The connection ended before the first byte of one; a new one may do better.
    Unanswered,
    Failed(Failed),
}

impl From<Failed> for Broken {
    fn from(failed: Failed) -> Broken {
        Broken::Failed(failed)
    }
}

impl Wire {
    /// For a source with these headers, at addresses that are allowed. An error says which header cannot be sent.
    pub fn new(written: &[(String, String)], allowed: Allowed) -> Result<Wire, String> {
        let mut headers = headers(written)?;
        let ours = HeaderValue::from_static(concat!("purser/", env!("CARGO_PKG_VERSION")));
        headers.entry(USER_AGENT).or_insert(ours);
        Ok(Wire { headers, allowed, idle: Mutex::default() })
    }

    /// Asks, and follows redirects to the same host. Gives the status and at most `most` bytes of a body; more are an error. The
    /// body of what is no success may be left out.
    pub async fn get(&self, url: &str, most: usize) -> Result<(StatusCode, Vec<u8>), Failed> {
        let first = Url::parse(url).map_err(|_| Failed::new(Trouble::Refused, "a parameter does not fit"))?;
        let mut url = first.clone();
        for _ in 0..=REDIRECTS {
            let answer = self.ask(&url, most).await?;
            let leads_on = matches!(answer.status.as_u16(), 301 | 302 | 303 | 307 | 308);
            let Some(location) = answer.location.filter(|_| leads_on) else {
                return Ok((answer.status, answer.body));
            };
            url = url
                .join(&location)
                .ok()
                .filter(|to| is_same_host(&first, to))
                .ok_or_else(|| Failed::new(Trouble::Unavailable, "it redirects to another host"))?;
        }
        Err(Failed::new(Trouble::Unavailable, "it redirects too often"))
    }

    /// Asks once, over an idle connection if there is one.
    async fn ask(&self, url: &Url, most: usize) -> Result<Answer, Failed> {
        let place = Place::of(url).ok_or_else(|| Failed::new(Trouble::Unavailable, "its address has no host"))?;
        let mut stream = self.idle(&place);
        loop {
            let is_new = stream.is_none();
            let mut open = match stream.take() {
                Some(open) => open,
                None => self.connect(&place).await?,
            };
            match exchange(&mut open, url, &self.headers, most).await {
                Ok(answer) => {
                    if answer.is_kept {
                        self.keep(place, open);
                    }
                    return Ok(answer);
                }
                // It was closed while nobody used it, so this was not read. To GET twice does no harm.
                Err(Broken::Unanswered) if !is_new => {}
                Err(Broken::Unanswered) => return Err(broken("it closes the connection and gives no answer")),
                Err(Broken::Failed(failed)) => return Err(failed),
            }
        }
    }

    /// The connection to this place that was used last. One on which something came that nobody asked for is none: it would
    /// be taken for the next answer.
    fn idle(&self, place: &Place) -> Option<Stream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|one| one.since.elapsed() < IDLE_FOR);
        while let Some(at) = idle.iter().rposition(|one| one.place == *place) {
            let stream = idle.remove(at).stream;
            let tcp = match &stream {
                Either::Left(tcp) => tcp,
                Either::Right(tls) => tls.get_ref().0,
            };
            if tcp.peek(&mut [0]).now_or_never().is_none() {
                return Some(stream);
            }
        }
        None
    }

    fn keep(&self, place: Place, stream: Stream) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= IDLE {
            idle.remove(0);
        }
        idle.push(Idle { place, stream, since: Instant::now() });
    }

    async fn connect(&self, place: &Place) -> Result<Stream, Failed> {
        let addresses =
            self.allowed.addresses(&place.host, place.port).await.map_err(|error| broken(&error.to_string()))?;
        let mut failure = io::Error::from(io::ErrorKind::NotFound);
        let mut found = None;
        for (number, address) in addresses.iter().enumerate() {
            let connecting = TcpStream::connect(address);
            let connected = match number + 1 < addresses.len() {
                true => timeout(SILENT, connecting).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
                false => connecting.await,
            };
            match connected {
                Ok(stream) => {
                    found = Some(stream);
                    break;
                }
                Err(error) => failure = error,
            }
        }
        let Some(stream) = found else { return Err(broken(&format!("no connection: {failure}"))) };
        // A question is one write; there is nothing to wait for.
        let _ = stream.set_nodelay(true);
        if !place.is_tls {
            return Ok(Either::Left(stream));
        }
        let config = TLS.as_ref().map_err(|error| broken(&format!("no TLS: {error}")))?;
        let name = ServerName::try_from(place.host.clone()).map_err(|_| broken("its host is no name for TLS"))?;
        // Boxed, and so no burden for those without TLS.
        let connected = Box::pin(TlsConnector::from(config.clone()).connect(name, stream)).await;
        connected.map(|tls| Either::Right(Box::new(tls))).map_err(|error| broken(&format!("no TLS: {error}")))
    }
}

impl Place {
    fn of(url: &Url) -> Option<Place> {
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        Some(Place { is_tls: url.scheme() == "https", host, port: url.port_or_known_default()? })
    }
}

/// What every request to a source or action has as headers, with those that are written. An error says which cannot be sent.
pub(super) fn headers(written: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut all = HeaderMap::new();
    all.insert(ACCEPT, HeaderValue::from_static("application/json, text/plain;q=0.9, */*;q=0.5"));
    for (name, value) in written {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header has no name".to_owned())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| format!("the header {name} has no value"))?;
        value.set_sensitive(true);
        all.insert(name, value);
    }
    Ok(all)
}

/// A redirect may lead to the same host only, which gets the headers and whose address was checked; to the same port, or from
/// HTTP to HTTPS.
pub(super) fn is_same_host(from: &Url, to: &Url) -> bool {
    let same = from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
    let upgraded = from.scheme() == "http" && to.scheme() == "https";
    from.host_str() == to.host_str() && (same || upgraded)
}

/// Sends one request and reads its answer.
async fn exchange(stream: &mut Stream, url: &Url, headers: &HeaderMap, most: usize) -> Result<Answer, Broken> {
    let mut call = send(stream, url, headers).await?;
    let mut input = Vec::with_capacity(PIECE);
    let response = head(stream, &mut call, &mut input).await?;
    let status = response.status();
    let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
    let answer = |body, is_kept| Ok(Answer { status, location, body, is_kept });
    match call.proceed() {
        Some(RecvResponseResult::RecvBody(call)) => match body(stream, call, input, most).await {
            Ok((body, is_kept)) => answer(body, is_kept),
            // What an error says at length is of no interest.
            Err(Failed { trouble: Trouble::TooLarge, .. }) if !status.is_success() => answer(Vec::new(), false),
            Err(failed) => Err(failed.into()),
        },
        Some(RecvResponseResult::Redirect(call)) => {
            answer(Vec::new(), input.is_empty() && !call.must_close_connection())
        }
        Some(RecvResponseResult::Cleanup(call)) => {
            answer(Vec::new(), input.is_empty() && !call.must_close_connection())
        }
        None => Err(broken("its answer has no end").into()),
    }
}

async fn send(stream: &mut Stream, url: &Url, headers: &HeaderMap) -> Result<Call<RecvResponse>, Broken> {
    let wrong =
        |error: ureq_proto::Error| Failed::new(Trouble::Refused, format!("no such request can be made: {error}"));
    let mut request =
        Request::get(url.as_str()).body(()).map_err(|_| Failed::new(Trouble::Refused, "a parameter does not fit"))?;
    request.headers_mut().clone_from(headers);
    let mut call = Call::new(request).map_err(wrong)?.proceed();
    let length: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut output = vec![0; PIECE + length + 2 * url.as_str().len()];
    while !call.can_proceed() {
        let written = call.write(&mut output).map_err(wrong)?;
        stream.write_all(&output[..written]).await.map_err(|_| Broken::Unanswered)?;
    }
    stream.flush().await.map_err(|_| Broken::Unanswered)?;
    match call.proceed().map_err(wrong)? {
        Some(SendRequestResult::RecvResponse(call)) => Ok(call),
        _ => Err(broken("it wants a body").into()),
    }
}

/// Reads the head of the answer. What was read beyond it is left in `input`.
async fn head(stream: &mut Stream, call: &mut Call<RecvResponse>, input: &mut Vec<u8>) -> Result<Response<()>, Broken> {
    let mut is_first = true;
    loop {
        if !input.is_empty() {
            let (used, response) = call.try_response(input, false).map_err(|error| garbled(&error))?;
            input.drain(..used);
            match response {
                Some(response) => return Ok(response),
                // An answer before the answer, such as 103.
                None if used > 0 => continue,
                None if input.len() >= MOST_HEAD => {
                    return Err(broken(&format!("the head of its answer has more than {MOST_HEAD} bytes")).into());
                }
                None => {}
            }
        }
        match read(stream, input).await {
            Ok(0) | Err(_) if is_first => return Err(Broken::Unanswered),
            Ok(0) => return Err(broken("its answer breaks off").into()),
            Ok(_) => is_first = false,
            Err(error) => return Err(broken(&error.to_string()).into()),
        }
    }
}

/// Reads the body, of which `input` holds the beginning. Gives it, and whether the connection can be used again.
async fn body(
    stream: &mut Stream,
    mut call: Call<ureq_proto::client::state::RecvBody>,
    mut input: Vec<u8>,
    most: usize,
) -> Result<(Vec<u8>, bool), Failed> {
    let too_large = || Failed::new(Trouble::TooLarge, format!("the answer has more than {most} bytes"));
    if matches!(call.body_mode(), BodyMode::LengthDelimited(length) if length > most as u64) {
        return Err(too_large());
    }
    let ends_with_connection = call.body_mode() == BodyMode::CloseDelimited;
    let mut body = Vec::new();
    loop {
        let mut used = 0;
        loop {
            let begin = body.len();
            // Nothing grows when it is unpacked.
            body.resize(begin + input.len() - used, 0);
            let (read, written) = call.read(&input[used..], &mut body[begin..]).map_err(|error| garbled(&error))?;
            body.truncate(begin + written);
            used += read;
            if body.len() > most {
                return Err(too_large());
            }
            if read == 0 {
                break;
            }
        }
        input.drain(..used);
        if call.can_proceed() && !ends_with_connection {
            break;
        }
        if read(stream, &mut input).await.map_err(|error| broken(&error.to_string()))? == 0 {
            if ends_with_connection || call.is_ended_chunked() {
                return Ok((body, false));
            }
            return Err(broken("its answer breaks off"));
        }
    }
    let must_close = match call.proceed() {
        Some(RecvBodyResult::Redirect(call)) => call.must_close_connection(),
        Some(RecvBodyResult::Cleanup(call)) => call.must_close_connection(),
        None => true,
    };
    // What comes after an answer belongs to none.
    Ok((body, input.is_empty() && !must_close))
}

/// Reads more, as much again as there is. 0 is the end.
async fn read(stream: &mut Stream, input: &mut Vec<u8>) -> io::Result<usize> {
    input.reserve(PIECE.max(input.len()).min(MOST_HEAD));
    stream.read_buf(input).await
}

fn broken(told: &str) -> Failed {
    Failed::new(Trouble::Unavailable, told)
}

fn garbled(error: &ureq_proto::Error) -> Failed {
    broken(&format!("its answer is no HTTP: {error}"))
}

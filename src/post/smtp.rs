//! The mail server that takes purser's mail. Only this file knows lettre.

use std::fmt;
use std::time::{Duration, SystemTime};

use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};

use super::letter::Letter;
use crate::conversation::Millis;
use crate::sources::Attempt;

/// How long a mail server may take for one step.
const STEP: Duration = Duration::from_secs(20);

/// How the connection to the mail server is kept private.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Privacy {
    /// From its first byte on (port 465).
    Tls,
    /// After a greeting; a server that cannot is refused (port 587).
    StartTls,
    /// Not at all: for a server on this machine (port 25).
    None,
}

impl Privacy {
    /// The port that such servers are usually at.
    pub fn port(self) -> u16 {
        match self {
            Privacy::Tls => 465,
            Privacy::StartTls => 587,
            Privacy::None => 25,
        }
    }
}

/// A mail server as an operator describes it.
#[derive(Clone, PartialEq)]
pub struct Server {
    /// Its name; certificates are checked against it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is kept private.
    pub privacy: Privacy,
    /// User and password.
    pub login: Option<(String, String)>,
    /// The certificate, as PEM, of an authority besides those that everybody knows.
    pub authority: Option<Vec<u8>>,
    /// Who the mail is from: an address, or `Shop <chat@shop.example>`.
    pub from: String,
}

/// Secrets are in it.
impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} ({:?})", self.host, self.port, self.privacy)
    }
}

/// Takes letters to the mail server.
pub struct Smtp {
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

/// Programs that answer mail by themselves leave such mail alone.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<AutoSubmitted, Box<dyn std::error::Error + Send + Sync>> {
        Ok(AutoSubmitted)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(AutoSubmitted::name(), "auto-generated".to_owned())
    }
}

/// Whether this is an address that mail can go to.
pub fn is_address(text: &str) -> bool {
    text.parse::<Address>().is_ok()
}

impl Smtp {
    /// A way to this server. An error says what is wrong with how it is described.
    pub fn new(server: &Server) -> Result<Smtp, String> {
        let from = server.from.parse::<Mailbox>();
        let from =
            from.map_err(|_| format!("from: `{}` is no address; write Shop <chat@shop.example>", server.from))?;
        let tls = || {
            let mut parameters = TlsParameters::builder(server.host.clone());
            if let Some(pem) = &server.authority {
                let authority =
                    Certificate::from_pem(pem).map_err(|_| "authority: the file is no certificate as PEM")?;
                parameters = parameters.add_root_certificate(authority);
            }
            parameters.build().map_err(|error| format!("TLS cannot be used: {error}"))
        };
        let tls = match server.privacy {
            Privacy::Tls => Tls::Wrapper(tls()?),
            Privacy::StartTls => Tls::Required(tls()?),
            Privacy::None => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&server.host)
            .port(server.port)
            .tls(tls)
            .timeout(Some(STEP));
        if let Some((user, password)) = &server.login {
            transport = transport.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Smtp { from, transport: transport.build() })
    }

    /// What the site is called in mail.
    pub fn site(&self) -> &str {
        self.from.name.as_deref().unwrap_or_else(|| self.from.email.domain())
    }

    /// Has a letter sent. `id` is the same however often it is tried, and becomes the mail's Message-ID; `at` is its date.
    pub async fn send(&self, letter: &Letter, to: &[String], id: &str, at: Millis) -> Attempt {
        let message = match self.message(letter, to, id, at) {
            Ok(message) => message,
            Err(why) => return Attempt::Refused(why),
        };
        match self.transport.send(message).await {
            Ok(_) => Attempt::Done(serde_json::Map::new()),
            // What a server says may hold the address.
            Err(error) => match error.status().map(u16::from) {
                // The login is for the operator to mend.
                Some(code) if (500..600).contains(&code) && !matches!(code, 530 | 534 | 535 | 538) => {
                    Attempt::Refused(format!("the mail server answers {code}"))
                }
                Some(code) => Attempt::Again(format!("the mail server answers {code}")),
                None => Attempt::Again(format!("the mail server cannot be used: {}", causes(&error))),
            },
        }
    }

    fn message(&self, letter: &Letter, to: &[String], id: &str, at: Millis) -> Result<Message, String> {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at).unwrap_or_default());
        let mut message = Message::builder()
            .from(self.from.clone())
            .subject(&letter.subject)
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .date(at)
            .header(AutoSubmitted);
        for to in to {
            let address = to.parse::<Address>().map_err(|_| "there is no address to send it to".to_owned())?;
            message = message.to(Mailbox::new(None, address));
        }
        let parts = MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone());
        message.multipart(parts).map_err(|error| format!("no mail can be made of it: {error}"))
    }
}

/// An error and what is behind it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        told = format!("{told}: {inner}");
        source = inner.source();
    }
    told
}

//! Calls to other servers over HTTP: what every client has in common.
//!
//! What is meant for one server goes to that one only: no proxy of the environment and no redirect leads it elsewhere.
//! What went wrong is told without the address, which may hold what a customer wrote.

use std::error::Error;
use std::sync::LazyLock;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};

/// TLS for all clients.
static PROVIDER: LazyLock<()> = LazyLock::new(|| {
    // Whoever was first in this process has installed one that is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
});

/// Gets TLS ready: without it no client can be made.
pub fn install_tls() {
    LazyLock::force(&PROVIDER);
}

/// The beginning of a client.
pub fn client() -> ClientBuilder {
    install_tls();
    Client::builder()
        .user_agent(concat!("purser/", env!("CARGO_PKG_VERSION")))
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .http1_only()
}

/// The client; an error, for the operator, if it cannot be made.
pub fn made(client: ClientBuilder) -> Result<Client, String> {
    client.build().map_err(|error| format!("no client can be made: {}", told(error)))
}

/// What went wrong, with what lies behind it, and without the address.
pub fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut told = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        told = format!("{told}: {inner}");
        source = inner.source();
    }
    told
}

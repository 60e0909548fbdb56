//! The address of Redis, as an operator writes it, and connections to it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError,
    TlsMode,
};
use tokio::sync::Mutex;

/// Where Redis is: `redis://USER:PASSWORD@HOST:PORT`, or by way of Sentinel
/// `redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME`. Shown without its password.
#[derive(Clone)]
pub struct RedisUrl {
    target: Target,
    shown: String,
}

#[derive(Clone)]
enum Target {
    One(Arc<ConnectionInfo>),
    /// Sentinel is asked for the present master at each connection.
    Sentinel(Arc<Mutex<SentinelClient>>),
}

/// What is wrong with the address of Redis. Never quotes it, since it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
    /// Another scheme, or none.
    #[error(
        "Redis is redis://HOST:6379, rediss://HOST:6379 with TLS, or redis+sentinel://HOST:26379,HOST:26379/NAME by \
         way of Sentinel; USER:PASSWORD@ may stand before the host"
    )]
    Scheme,
    /// No name of what Sentinel watches.
    #[error("the name of the master is missing: redis+sentinel://HOST:26379,HOST:26379/NAME")]
    NoName,
    /// A parameter that nothing reads.
    #[error("unknown parameter {0:?}; only redis+sentinel:// takes one: sentinel_password")]
    Parameter(String),
    /// Not readable as an address.
    #[error(
        "the address of Redis cannot be read; in a password, characters such as / : @ # ? % are written as %2F %3A \
         %40 %23 %3F %25"
    )]
    Unreadable,
}

impl RedisUrl {
    /// A new connection. What Redis says unasked goes to `hear`, which must not wait; it is the connection's own
    /// task that calls it. An answer is waited for at most for `patience`.
    pub async fn connect(
        &self,
        patience: Duration,
        hear: impl AsyncPushSender,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(patience))
            .set_push_sender(hear);
        match &self.target {
            Target::One(info) => {
                let client = Client::open(ConnectionInfo::clone(info))?;
                client.get_multiplexed_async_connection_with_config(&config).await
            }
            Target::Sentinel(client) => client.lock().await.get_async_connection_with_config(&config).await,
        }
    }
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(url: &str) -> Result<RedisUrl, RedisUrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(RedisUrlError::Scheme)?;
        match scheme {
            "redis" | "rediss" | "valkey" | "valkeys" => one(scheme, rest),
            "redis+sentinel" => sentinel("redis", rest),
            "rediss+sentinel" => sentinel("rediss", rest),
            _ => Err(RedisUrlError::Scheme),
        }
    }
}

fn one(scheme: &str, rest: &str) -> Result<RedisUrl, RedisUrlError> {
    if let Some((_, parameters)) = rest.split_once('?') {
        return Err(parameter(parameters));
    }
    let info = read(scheme, rest)?;
    let shown = format!("{scheme}://{}", info.addr());
    Ok(RedisUrl { target: Target::One(Arc::new(info)), shown })
}

/// `rest` is `USER:PASSWORD@HOST:PORT,HOST:PORT/NAME/DB?sentinel_password=…`. User and password are those of Redis.
fn sentinel(scheme: &str, rest: &str) -> Result<RedisUrl, RedisUrlError> {
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let own_password = match parameters.split_once('=') {
        None if parameters.is_empty() => None,
        Some(("sentinel_password", password)) if !password.contains('&') => Some(password),
        _ => return Err(parameter(parameters)),
    };
    let (authority, path) = place.split_once('/').unwrap_or((place, ""));
    let (name, db) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() {
        return Err(RedisUrlError::NoName);
    }
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let hosts = hosts.split(',').map(|host| {
        let host = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            host.to_owned()
        } else {
            format!("{host}:26379")
        };
        Ok(read(scheme, &host)?.addr().clone())
    });
    let hosts: Vec<ConnectionAddr> = hosts.collect::<Result<_, RedisUrlError>>()?;
    let shown: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let shown = format!("{scheme}+sentinel://{}/{name}", shown.join(","));

    // The library reads users and passwords only within an address.
    let redis = read(scheme, &format!("{user}of-redis/{db}"))?;
    let redis = redis.redis_settings();
    let unreadable = |_: RedisError| RedisUrlError::Unreadable;
    let mut builder = SentinelClientBuilder::new(hosts, name, SentinelServerType::Master)
        .map_err(unreadable)?
        .set_client_to_redis_protocol(ProtocolVersion::RESP3)
        .set_client_to_redis_tcp_settings(TcpSettings::default().set_nodelay(true))
        .set_client_to_redis_db(redis.db());
    if scheme == "rediss" {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(user) = redis.username() {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = redis.password() {
        builder = builder.set_client_to_redis_password(password);
    }
    if let Some(password) = own_password {
        let own = read(scheme, &format!(":{password}@of-sentinel"))?;
        builder = builder.set_client_to_sentinel_password(own.redis_settings().password().unwrap_or_default());
    }
    let client = builder.build().map_err(unreadable)?;
    Ok(RedisUrl { target: Target::Sentinel(Arc::new(Mutex::new(client))), shown })
}

fn read(scheme: &str, rest: &str) -> Result<ConnectionInfo, RedisUrlError> {
    // Its errors may quote what they could not read.
    let info = format!("{scheme}://{rest}").into_connection_info().map_err(|_| RedisUrlError::Unreadable)?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    Ok(info.set_redis_settings(settings).set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

fn parameter(parameters: &str) -> RedisUrlError {
    let name = parameters.split(['=', '&']).next().unwrap_or_default();
    RedisUrlError::Parameter(if name == "sentinel_password" { String::new() } else { name.to_owned() })
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_the_password() {
        for (url, shown) in [
            ("redis://127.0.0.1", "redis://127.0.0.1:6379"),
            ("redis://shop:s3cr%2Ft@cache:6380/2", "redis://cache:6380"),
            ("rediss://:s3cret@cache", "rediss://cache:6379"),
            ("valkey://cache", "valkey://cache:6379"),
            ("redis+sentinel://a,b:26380/shop", "redis+sentinel://a:26379,b:26380/shop"),
            ("redis+sentinel://u:s3cret@a:1,[::1]:2/shop/3", "redis+sentinel://a:1,::1:2/shop"),
            ("rediss+sentinel://:s3cret@a/shop?sentinel_password=s3cr%2Ft", "rediss+sentinel://a:26379/shop"),
        ] {
            let read = url.parse::<RedisUrl>().expect(url);
            assert_eq!(format!("{read} {read:?}"), format!("{shown} {shown}"));
        }
    }

    #[test]
    fn a_wrong_address_says_what_is_wrong_and_never_quotes_itself() {
        let unknown = |name: &str| RedisUrlError::Parameter(name.to_owned());
        for (url, error) in [
            ("127.0.0.1:6379", RedisUrlError::Scheme),
            ("http://s3cret@cache", RedisUrlError::Scheme),
            ("redis+sentinel://u:s3cret@a,b", RedisUrlError::NoName),
            ("redis+sentinel://u:s3cret@a,b/", RedisUrlError::NoName),
            ("redis://cache?protocol=s3cret", unknown("protocol")),
            ("redis+sentinel://a/shop?password=s3cret", unknown("password")),
            ("redis+sentinel://a/shop?sentinel_password=s3cret&x=y", unknown("")),
            ("redis://u:s3cr/et@cache:6379", RedisUrlError::Unreadable),
            ("redis://cache:s3cret", RedisUrlError::Unreadable),
            ("redis://cache/s3cret", RedisUrlError::Unreadable),
            ("redis+sentinel://a/shop/s3cret", RedisUrlError::Unreadable),
            ("redis://", RedisUrlError::Unreadable),
        ] {
            assert_eq!(url.parse::<RedisUrl>().expect_err(url), error);
            assert!(!error.to_string().contains("s3cr"), "{error}");
        }
    }
}

//! The address of a database, as an operator writes it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;

/// Where the store is: `sqlite://FILE` or `mysql://USER:PASSWORD@HOST/DATABASE`. Shown without its password.
#[derive(Clone)]
pub struct DatabaseUrl(pub(super) Target);

#[derive(Clone)]
pub(super) enum Target {
    /// Gone with the store that opened it; for tests.
    Memory,
    File(PathBuf),
    Maria(Box<MySqlConnectOptions>),
}

/// What is wrong with the address of a database. Never quotes it, since it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("a database is sqlite://FILE or mysql://USER:PASSWORD@HOST/DATABASE")]
    Scheme,
    /// No file name.
    #[error("the file is missing: sqlite://FILE, for example sqlite://purser.db or sqlite:///var/lib/purser/purser.db")]
    NoFile,
    /// Something after a question mark.
    #[error("sqlite:// takes no parameters; purser sets what it needs itself")]
    FileParameters,
    /// A part of a MariaDB address is not there.
    #[error("the {0} is missing: mysql://USER:PASSWORD@HOST/DATABASE")]
    Missing(&'static str),
    /// A parameter that nothing reads.
    #[error("unknown parameter {0:?}; mysql:// takes ssl-mode, ssl-ca, ssl-cert, ssl-key and socket")]
    Parameter(String),
    /// Not readable as an address.
    #[error(
        "mysql://USER:PASSWORD@HOST/DATABASE cannot be read ({0}); in a password, characters such as / : @ # ? % are \
         written as %2F %3A %40 %23 %3F %25"
    )]
    Unreadable(String),
}

impl FromStr for DatabaseUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<DatabaseUrl, UrlError> {
        if let Some(file) = url.strip_prefix("sqlite:") {
            return sqlite(file.strip_prefix("//").unwrap_or(file)).map(DatabaseUrl);
        }
        match url.strip_prefix("mysql://").or_else(|| url.strip_prefix("mariadb://")) {
            Some(rest) => maria(rest).map(DatabaseUrl),
            None => Err(UrlError::Scheme),
        }
    }
}

fn sqlite(file: &str) -> Result<Target, UrlError> {
    match file {
        "" => Err(UrlError::NoFile),
        ":memory:" => Ok(Target::Memory),
        _ if file.contains('?') => Err(UrlError::FileParameters),
        _ => Ok(Target::File(PathBuf::from(file))),
    }
}

fn maria(rest: &str) -> Result<Target, UrlError> {
    // What is left out has a default in sqlx (user root, no database), which would connect to something else than meant.
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, database) = place.split_once('/').unwrap_or((place, ""));
    let (user, host) = authority.rsplit_once('@').ok_or(UrlError::Missing("user"))?;
    for (part, name) in [(user.split(':').next().unwrap_or(""), "user"), (host, "host"), (database, "database")] {
        if part.is_empty() {
            return Err(UrlError::Missing(name));
        }
    }
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let key = parameter.split('=').next().unwrap_or("");
        if !matches!(key, "ssl-mode" | "ssl-ca" | "ssl-cert" | "ssl-key" | "socket") {
            return Err(UrlError::Parameter(key.to_owned()));
        }
    }
    match MySqlConnectOptions::from_str(&format!("mysql://{rest}")) {
        Ok(options) => Ok(Target::Maria(Box::new(options))),
        Err(sqlx::Error::Configuration(error)) => Err(UrlError::Unreadable(error.to_string())),
        // Its other errors may quote what they could not read.
        Err(_) => Err(UrlError::Unreadable("not an address".to_owned())),
    }
}

impl DatabaseUrl {
    /// Whether it is a file that is not there yet.
    pub fn is_new(&self) -> bool {
        matches!(&self.0, Target::File(file) if !file.exists())
    }

    /// The file that it is, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Target::File(file) => Some(file),
            Target::Memory | Target::Maria(_) => None,
        }
    }

    /// The address with its password, for a look-up in the same database; `None` for one that is gone with the
    /// store.
    pub fn exposed(&self) -> Option<String> {
        match &self.0 {
            Target::Memory => None,
            Target::File(file) => Some(format!("sqlite://{}", file.display())),
            Target::Maria(options) => Some(options.to_url_lossy().to_string()),
        }
    }
}

/// "127.0.0.1:3306/shop".
pub(super) fn place(options: &MySqlConnectOptions) -> String {
    let database = options.get_database().unwrap_or_default();
    match options.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", options.get_host(), options.get_port()),
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Target::Memory => f.write_str("sqlite::memory:"),
            Target::File(file) => write!(f, "sqlite://{}", file.display()),
            Target::Maria(options) => write!(f, "mysql://{}:…@{}", options.get_username(), place(options)),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_without_the_password() {
        let shown = |url: &str| url.parse::<DatabaseUrl>().map(|url| format!("{url} {url:?}"));
        let twice = |text: &str| Ok(format!("{text} {text}"));
        assert_eq!(shown("sqlite://purser.db"), twice("sqlite://purser.db"));
        assert_eq!(shown("sqlite:///var/lib/purser.db"), twice("sqlite:///var/lib/purser.db"));
        assert_eq!(shown("sqlite::memory:"), twice("sqlite::memory:"));
        assert_eq!(shown("sqlite://:memory:"), twice("sqlite::memory:"));
        assert_eq!(shown("mysql://shop:s3cr%2Ft@db/chat"), twice("mysql://shop:…@db:3306/chat"));
        assert_eq!(shown("mariadb://shop:a@db:3307/chat?ssl-mode=REQUIRED"), twice("mysql://shop:…@db:3307/chat"));
        assert_eq!(shown("mysql://shop@localhost/chat?socket=/run/m.sock"), twice("mysql://shop:…@/run/m.sock/chat"));
    }

    #[test]
    fn a_wrong_address_says_what_is_wrong_and_never_quotes_itself() {
        let wrong = |url: &str| url.parse::<DatabaseUrl>().map(|url| url.to_string());
        assert_eq!(wrong("purser.db"), Err(UrlError::Scheme));
        assert_eq!(wrong("postgres://a:b@c/d"), Err(UrlError::Scheme));
        assert_eq!(wrong("sqlite://"), Err(UrlError::NoFile));
        assert_eq!(wrong("sqlite://a.db?mode=ro"), Err(UrlError::FileParameters));
        assert_eq!(wrong("mysql://db/chat"), Err(UrlError::Missing("user")));
        assert_eq!(wrong("mysql://:pw@db/chat"), Err(UrlError::Missing("user")));
        assert_eq!(wrong("mysql://shop:pw@/chat"), Err(UrlError::Missing("host")));
        assert_eq!(wrong("mysql://shop:pw@db"), Err(UrlError::Missing("database")));
        assert_eq!(wrong("mysql://shop:pw@db/"), Err(UrlError::Missing("database")));
        assert_eq!(wrong("mysql://shop:pw@db/chat?tls=1"), Err(UrlError::Parameter("tls".to_owned())));
        let unreadable = ["mysql://shop:s3cr/t@db/chat", "mysql://shop:s3cr#t@db/chat", "mysql://shop:s3crt@db:x/chat"];
        for url in unreadable {
            let error = wrong(url).expect_err(url).to_string();
            assert!(!error.contains("s3cr"), "{error}");
        }
    }
}

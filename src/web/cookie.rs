//! Cookies that hold a token. Over TLS each has a name that no other site of the same domain can set: whoever could put
//! a token of their own there would read along.

use salvo::http::HeaderValue;
use salvo::http::header::{COOKIE, SET_COOKIE};
use salvo::prelude::*;

use super::admission::header;

/// A cookie: 64 hex digits, for this host alone and for no script.
pub struct Cookie {
    /// Its name without TLS.
    pub name: &'static str,
    /// Its name over TLS, which begins with `__Host-`.
    pub over_tls: &'static str,
    /// `Strict`: not even a link from another site sends it. `Lax`: that does.
    pub same_site: &'static str,
}

impl Cookie {
    /// The token that the browser sent, if it can be one. Over TLS only the cookie counts that needs it.
    pub fn token<'a>(&self, req: &'a Request) -> Option<&'a str> {
        let wanted = if is_secure(req) { self.over_tls } else { self.name };
        let cookies = header(req, COOKIE)?.split(';').filter_map(|cookie| cookie.trim().split_once('='));
        let mut tokens = cookies.filter(|(name, _)| *name == wanted).map(|(_, token)| token);
        tokens.find(|token| token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()))
    }

    /// Has the browser keep this token for so many seconds; with 0 it drops what it has.
    pub fn set(&self, req: &Request, res: &mut Response, token: &str, seconds: i64) -> Result<(), StatusError> {
        let (name, secure) = if is_secure(req) { (self.over_tls, "; Secure") } else { (self.name, "") };
        let cookie =
            format!("{name}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite={}{secure}", self.same_site);
        let cookie = HeaderValue::try_from(cookie).map_err(|_| StatusError::internal_server_error())?;
        res.headers_mut().append(SET_COOKIE, cookie);
        Ok(())
    }
}

/// Whether the browser speaks TLS, to a proxy in front.
fn is_secure(req: &Request) -> bool {
    req.headers().get("x-forwarded-proto").is_some_and(|scheme| scheme == "https")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn over_tls_only_a_cookie_of_this_host_counts() {
        let cookie = Cookie { name: "session", over_tls: "__Host-session", same_site: "Lax" };
        let (theirs, own) = ("a".repeat(64), "b".repeat(64));
        let both = format!("other=1; session={theirs}; __Host-session=short; __Host-session={own}");
        for (scheme, sent, token) in [
            ("https", both.clone(), Some(&own)),
            ("https", format!("session={theirs}"), None),
            ("http", both, Some(&theirs)),
            ("http", format!("sessions={theirs}; session={}", "é".repeat(32)), None),
        ] {
            let mut req = Request::default();
            let value = HeaderValue::from_bytes(sent.as_bytes()).unwrap();
            req.headers_mut().insert(COOKIE, value);
            req.headers_mut().insert("x-forwarded-proto", HeaderValue::from_static(scheme));
            assert_eq!(cookie.token(&req), token.map(String::as_str), "{scheme}: {sent}");
            let mut res = Response::new();
            cookie.set(&req, &mut res, &own, 60).unwrap();
            let expected = match scheme {
                "https" => format!("__Host-session={own}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure"),
                _ => format!("session={own}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"),
            };
            assert_eq!(res.headers()[SET_COOKIE], expected);
        }
    }
}

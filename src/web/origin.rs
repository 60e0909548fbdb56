//! Which sites' pages may open a chat.

/// The sites of the configuration; the page's own site is always one.
pub struct Origins(Vec<String>);

impl Origins {
    /// These sites besides the own one, each as `scheme://host[:port]`.
    pub fn new(sites: &[String]) -> Origins {
        Origins(sites.iter().map(|site| site.trim_end_matches('/').to_ascii_lowercase()).collect())
    }

    /// Whether a request with this `Origin` and `Host` may open a chat. Without an `Origin` it does not come from a
    /// page, and no page can make a browser leave it out; `null` is a page that hides where it comes from.
    pub fn allow(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        let origin = origin.to_ascii_lowercase();
        if self.0.contains(&origin) {
            return true;
        }
        let Some((scheme, site)) = origin.split_once("://") else { return false };
        let Some(host) = host else { return false };
        let host = host.to_ascii_lowercase();
        // A browser leaves out the port that the scheme implies; behind a proxy the Host may spell it out.
        let port = match scheme {
            "http" => ":80",
            "https" => ":443",
            _ => return false,
        };
        site.strip_suffix(port).unwrap_or(site) == host.strip_suffix(port).unwrap_or(&host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_listed_sites_and_the_own_one_may_open_a_chat() {
        let origins = Origins::new(&["https://shop.example".to_owned(), "http://LOCALHOST:3000/".to_owned()]);
        for (origin, host, allowed) in [
            (None, Some("chat.example"), true),
            (Some("null"), Some("chat.example"), false),
            (Some("https://chat.example"), Some("chat.example"), true),
            (Some("https://chat.example"), Some("chat.example:443"), true),
            (Some("http://127.0.0.1:8080"), Some("127.0.0.1:8080"), true),
            (Some("http://127.0.0.1:8081"), Some("127.0.0.1:8080"), false),
            (Some("https://shop.example"), Some("chat.example"), true),
            (Some("http://shop.example"), Some("chat.example"), false),
            (Some("https://shop.example.evil.example"), Some("chat.example"), false),
            (Some("https://evil.example"), Some("chat.example"), false),
            (Some("http://localhost:3000"), Some("chat.example"), true),
            (Some("file://chat.example"), Some("chat.example"), false),
            (Some("https://chat.example"), None, false),
        ] {
            assert_eq!(origins.allow(origin, host), allowed, "{origin:?} on {host:?}");
        }
    }
}

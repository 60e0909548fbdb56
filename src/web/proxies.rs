//! Where a request comes from when proxies stand between.

use std::net::IpAddr;
use std::sync::Once;

use ipnet::IpNet;
use salvo::conn::SocketAddr;
use salvo::http::HeaderMap;
use salvo::prelude::*;

use crate::config::ProxyHeader;

/// What a proxy adds.
const PROXY_HEADERS: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
/// More hops than this are nobody's set-up.
const HOPS: usize = 32;

/// The proxies whose word counts.
pub struct Proxies {
    trusted: Vec<IpNet>,
    header: ProxyHeader,
}

impl Proxies {
    /// Proxies in these networks, which say in this header for whom they speak.
    pub fn new(trusted: Vec<IpNet>, header: ProxyHeader) -> Proxies {
        Proxies { trusted, header }
    }

    /// The customer's address, or the nearest that is known; `None` if the connection has none.
    pub fn client(&self, req: &Request) -> Option<IpAddr> {
        peer(req).map(|peer| self.behind(peer, req.headers()))
    }

    /// Whether this client of the request is only the nearest that is known of one behind it.
    pub fn hides(&self, client: IpAddr, req: &Request) -> bool {
        let through_proxy = PROXY_HEADERS.iter().any(|name| req.headers().contains_key(*name));
        through_proxy && (peer(req) == Some(client) || self.trusts(client))
    }

    /// Each proxy adds the address that it was called from at the right. So the way back is read from there, and the
    /// first address that is no trusted proxy's is the customer's; what stands left of it may be made up.
    fn behind(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            if headers.contains_key(self.header.name()) {
                warn_once(peer);
            }
            return peer;
        }
        let lines = headers.get_all(self.header.name()).iter().rev();
        // What a proxy added stands at the right of what it was sent, which may be any bytes.
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let mut nearest = peer;
        for hop in hops.take(HOPS) {
            let hop = std::str::from_utf8(hop).ok();
            let address = hop.and_then(|hop| match self.header {
                ProxyHeader::XForwardedFor => address(hop),
                ProxyHeader::Forwarded => forwarded_for(hop).and_then(address),
            });
            // What cannot be read hides what is left of it.
            let Some(address) = address else { break };
            nearest = address;
            if !self.trusts(nearest) {
                break;
            }
        }
        nearest
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(&address))
    }
}

/// The other end of the connection.
fn peer(req: &Request) -> Option<IpAddr> {
    match req.remote_addr() {
        SocketAddr::IPv4(address) => Some(IpAddr::V4(*address.ip())),
        SocketAddr::IPv6(address) => Some(IpAddr::V6(*address.ip()).to_canonical()),
        _ => None,
    }
}

/// An address as proxies write it: with or without a port, IPv6 in brackets or bare.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let host = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        // One colon: a port. More: bare IPv6.
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    host.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// The `for` of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    Some(value.trim().trim_matches('"'))
}

fn warn_once(peer: IpAddr) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            %peer,
            "a proxy that is not in `proxies` of purser.yaml says for whom it speaks; all its customers are counted as one"
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(header: ProxyHeader, peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "127.0.0.1/32", "fd00::/8"].map(|network| network.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), salvo::http::HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        Proxies::new(trusted.into(), header).behind(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn the_right_most_address_that_is_not_trusted_is_the_customers() {
        for (peer, lines, expected) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            // Whoever is no proxy of ours may say what they like.
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("127.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9, 198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9, 198.51.100.7, 10.1.2.3"], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9", "198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["198.51.100.7", "10.1.2.3"], "198.51.100.7"),
            ("127.0.0.1", &["10.1.2.3"], "10.1.2.3"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("127.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("127.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["käse, 198.51.100.7"], "198.51.100.7"),
            ("127.0.0.1", &["203.0.113.9", "käse"], "127.0.0.1"),
            // Nonsense hides what is left of it.
            ("127.0.0.1", &["203.0.113.9, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["203.0.113.9, , 10.1.2.3"], "10.1.2.3"),
        ] {
            assert_eq!(client(ProxyHeader::XForwardedFor, peer, lines), expected, "{peer} {lines:?}");
        }
        for (lines, expected) in [
            (&["for=203.0.113.9, for=198.51.100.7;proto=https;by=10.0.0.1"][..], "198.51.100.7"),
            (&["For=\"[2001:db8::7]:4711\""], "2001:db8::7"),
            (&["proto=https; for=198.51.100.7", "for=10.1.2.3"], "198.51.100.7"),
            (&["for=198.51.100.7, for=_hidden"], "127.0.0.1"),
            (&["198.51.100.7"], "127.0.0.1"),
        ] {
            assert_eq!(client(ProxyHeader::Forwarded, "127.0.0.1", lines), expected, "{lines:?}");
        }
        let long = vec!["10.0.0.1"; 100].join(",");
        assert_eq!(client(ProxyHeader::XForwardedFor, "127.0.0.1", &[&format!("203.0.113.9,{long}")]), "10.0.0.1");
    }
}

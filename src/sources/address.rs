//! Which addresses a source may be at. Without this, whoever can name a host could reach what is behind the firewall.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Networks of private addresses that a source may be in all the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Allowed(pub Arc<[IpNet]>);

impl Allowed {
    /// Whether a source may be at this address.
    pub fn has(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.0.iter().any(|network| network.contains(&address))
    }

    /// The addresses of a host that a source may be at: at least one, or an error that says why there is none.
    pub async fn addresses(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((host, port)).await?;
        let found: Vec<SocketAddr> = found.filter(|address| self.has(address.ip())).collect();
        if found.is_empty() {
            let message = "the host has only addresses of private networks; list them in `private` if that is meant";
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
        }
        Ok(found)
    }
}

/// Addresses that anybody on the internet could be at, and not one machine or network only.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmarks = a == 198 && (b == 18 || b == 19);
    let protocols = (a, b, c) == (192, 0, 0);
    !(a == 0
        || a >= 240
        || v4.is_loopback()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_documentation()
        || shared
        || benchmarks
        || protocols)
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [first, second, third, .., seventh, eighth] = v6.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match first {
        // The rest of an address that stands for one of IPv4: NAT64 and 6to4.
        0x64 if second == 0xff9b => is_public_v4(v4(seventh, eighth)),
        0x2002 => is_public_v4(v4(second, third)),
        0x2001 if second == 0xdb8 || second == 0 => false,
        // Everything that is handed out today begins with 001.
        first => first & 0xe000 == 0x2000,
    }
}

/// Resolves the names of hosts, and leaves out the addresses that a source may not be at.
pub(super) struct Resolver(pub Allowed);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0.clone();
        Box::pin(async move {
            let found = allowed.addresses(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_only_allowed_when_they_are_listed() {
        let none = Allowed::default();
        for public in ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"]
        {
            assert!(none.has(public.parse().unwrap()), "{public}");
        }
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "198.18.0.1",
            "192.0.0.8",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "64:ff9b:1::7f00:1",
        ] {
            assert!(!none.has(private.parse().unwrap()), "{private}");
        }
        let some = Allowed(["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()].into());
        assert!(some.has("127.0.0.1".parse().unwrap()) && some.has("::ffff:10.9.9.9".parse().unwrap()));
        assert!(!some.has("127.0.0.2".parse().unwrap()) && !some.has("169.254.169.254".parse().unwrap()));
    }
}

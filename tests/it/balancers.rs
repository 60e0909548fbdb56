//! nginx, HAProxy and Caddy before two nodes, with the examples of docs/ as they stand: a test only puts in ports, its
//! certificate, and where the proxy may write.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use purser::conversation::ConversationId;
use purser::fanout::Reach;
use purser::web::protocol::{COMMENT_AFTER, CloseCode, SILENT_FOR};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderMap;

use crate::harness::{Events, Setup, TestDatabase, Typed, Visitor, until, upgrade, within};
use crate::servers::{self, WebProxy, free_port, or_skip};

const NAME: &str = "chat.shop.example";
/// So many connections of one address are let in at once by each node.
const CONNECTIONS: u32 = 12;

type Socket = Typed<TlsStream<TcpStream>>;

/// A proxy in front of two nodes.
struct Edge {
    _process: WebProxy,
    _folder: TempDir,
    http: u16,
    https: u16,
    certificate: Vec<u8>,
    tls: TlsConnector,
}

/// Which proxy, and how its example is filled in.
struct Kind {
    name: &'static str,
    package: &'static str,
    example: &'static str,
    /// What in the example becomes what: every left side stands there exactly once.
    fill: fn(&Places) -> Vec<(&'static str, String)>,
    /// Writes what the example is a part of, and says how to start it.
    command: fn(&Path, &str) -> Command,
    ready_line: &'static str,
}

/// What a test puts into an example.
struct Places<'a> {
    folder: &'a Path,
    nodes: [SocketAddr; 2],
    http: u16,
    https: u16,
}

const NGINX: Kind = Kind {
    name: "nginx",
    package: "nginx",
    example: include_str!("../../docs/examples/nginx.conf"),
    fill: |places| {
        let file = |name: &str| places.folder.join(name).display().to_string();
        vec![
            ("server 127.0.0.1:8081", format!("server {}", places.nodes[0])),
            ("server 127.0.0.1:8082", format!("server {}", places.nodes[1])),
            ("listen 80;", format!("listen 127.0.0.1:{};", places.http)),
            ("listen 443 ssl", format!("listen 127.0.0.1:{} ssl", places.https)),
            ("/etc/ssl/chat.shop.example.crt", file("site.crt")),
            ("/etc/ssl/chat.shop.example.key", file("site.key")),
        ]
    },
    command: |folder, example| {
        fs::write(folder.join("purser.conf"), example).expect("a file");
        let at = folder.display();
        let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary: String = kinds.iter().map(|kind| format!("{kind}_temp_path {at}/{kind};\n")).collect();
        // One process, which ends when it is killed.
        let main = format!(
            "daemon off; master_process off; pid {at}/pid; error_log stderr notice;\n\
             events {{ worker_connections 512; }}\n\
             http {{ access_log off;\n{temporary}include {at}/purser.conf; }}\n"
        );
        fs::write(folder.join("nginx.conf"), main).expect("a file");
        let mut command = Command::new("nginx");
        command.arg("-e").arg("stderr").arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
        command
    },
    ready_line: "event method",
};

const HAPROXY: Kind = Kind {
    name: "HAProxy",
    package: "haproxy",
    example: include_str!("../../docs/examples/haproxy.cfg"),
    fill: |places| {
        vec![
            ("server node1 127.0.0.1:8081", format!("server node1 {}", places.nodes[0])),
            ("server node2 127.0.0.1:8082", format!("server node2 {}", places.nodes[1])),
            ("bind :80\n", format!("bind 127.0.0.1:{}\n", places.http)),
            ("bind :443 ssl", format!("bind 127.0.0.1:{} ssl", places.https)),
            ("/etc/haproxy/chat.shop.example.pem", places.folder.join("site.pem").display().to_string()),
            // Each takes two open files, and a test machine may allow few.
            ("maxconn 50000", "maxconn 200".to_owned()),
        ]
    },
    command: |folder, example| {
        let file = folder.join("haproxy.cfg");
        fs::write(&file, example).expect("a file");
        let mut command = Command::new("haproxy");
        command.args(["-db", "-V", "-f"]).arg(file);
        command
    },
    ready_line: "polling mechanism",
};

const CADDY: Kind = Kind {
    name: "Caddy",
    package: "caddy",
    example: include_str!("../../docs/examples/Caddyfile"),
    fill: |places| {
        let file = |name: &str| places.folder.join(name).display().to_string();
        vec![
            ("{$NODES:127.0.0.1:8081 127.0.0.1:8082}", format!("{} {}", places.nodes[0], places.nodes[1])),
            (
                "# tls /etc/ssl/chat.shop.example.crt /etc/ssl/chat.shop.example.key",
                format!("tls {} {}", file("site.crt"), file("site.key")),
            ),
            (
                "{$SITE:chat.shop.example} {",
                format!(
                    "{{\nadmin off\nhttp_port {}\nhttps_port {}\ndefault_bind 127.0.0.1\nstorage file_system {}\n\
                     servers {{\nprotocols h1 h2\n}}\n}}\n{NAME} {{",
                    places.http,
                    places.https,
                    file("storage")
                ),
            ),
        ]
    },
    command: |folder, example| {
        let file = folder.join("Caddyfile");
        fs::write(&file, example).expect("a file");
        let mut command = Command::new("caddy");
        command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
        command
    },
    ready_line: "serving initial configuration",
};

impl Edge {
    async fn start(kind: &'static Kind, nodes: [SocketAddr; 2]) -> Option<Edge> {
        let folder = tempfile::Builder::new().prefix("purser-edge-").tempdir().expect("a folder");
        let at = folder.path().to_owned();
        let started = tokio::task::spawn_blocking(move || {
            certify(&at).expect("openssl makes a certificate");
            let (http, https) = (free_port()?, free_port()?);
            let mut filled = kind.example.to_owned();
            for (from, to) in (kind.fill)(&Places { folder: &at, nodes, http, https }) {
                assert_eq!(filled.matches(from).count(), 1, "{from} in the example for {}", kind.name);
                filled = filled.replace(from, &to);
            }
            let command = (kind.command)(&at, &filled);
            let process = WebProxy::start(command, &at, kind.ready_line)?;
            Ok((process, http, https))
        });
        let started = started.await.expect("no panic");
        let (process, http, https) = or_skip(kind.name, kind.package, started)?;

        let certificate = fs::read(folder.path().join("site.crt")).expect("the certificate");
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&certificate).expect("a certificate")).expect("a root");
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().expect("TLS").with_root_certificates(roots);
        let tls = TlsConnector::from(Arc::new(config.with_no_client_auth()));
        let edge = Edge { _process: process, _folder: folder, http, https, certificate, tls };
        until("the proxy", async || edge.connect(1).await).await;
        Some(edge)
    }

    /// TLS from the address 127.0.0.`from`; `None` while nobody listens.
    async fn connect(&self, from: u8) -> Option<TlsStream<TcpStream>> {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((Ipv4Addr::new(127, 0, 0, from), 0).into()).expect("an address of this machine");
        let stream = socket.connect((Ipv4Addr::LOCALHOST, self.https).into()).await.ok()?;
        let name = ServerName::try_from(NAME).expect("a name");
        Some(within("TLS", self.tls.connect(name, stream)).await.expect("TLS"))
    }

    /// A WebSocket; `Err` has the status that refused it.
    async fn upgrade(
        &self,
        from: u8,
        headers: &[(&'static str, &str)],
    ) -> Result<(tokio_tungstenite::WebSocketStream<TlsStream<TcpStream>>, HeaderMap), u16> {
        let mut request = format!("wss://{NAME}/ws/chat/").into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header"));
        }
        upgrade(request, self.connect(from).await.expect("the proxy listens")).await
    }

    /// A tab of this visitor. A node that has just gone away may cost an attempt.
    async fn visit(&self, from: u8, visitor: &Visitor, seen: u32) -> Socket {
        let (ws, response) =
            until("a place", async || self.upgrade(from, &[("Sec-WebSocket-Protocol", "purser.v1")]).await.ok()).await;
        let mut socket = Typed::over(ws, &response);
        socket.hello(visitor, seen).await;
        socket
    }

    /// A client of the HTTP API.
    fn http(&self, from: u8) -> reqwest::Client {
        let _ = crypto::ring::default_provider().install_default();
        let root = reqwest::Certificate::from_pem(&self.certificate).expect("a certificate");
        reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([root])
            .resolve(NAME, (Ipv4Addr::LOCALHOST, self.https).into())
            .local_address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, from)))
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client")
    }

    fn url(&self, path: &str) -> String {
        format!("https://{NAME}:{}{path}", self.https)
    }
}

/// A certificate for the name, by itself and with its key.
fn certify(folder: &Path) -> Result<(), String> {
    let config = format!(
        "[req]\ndistinguished_name = dn\nx509_extensions = site\nprompt = no\n[dn]\nCN = {NAME}\n\
         [site]\nsubjectAltName = DNS:{NAME}\nbasicConstraints = critical, CA:FALSE\n"
    );
    fs::write(folder.join("site.cnf"), config).map_err(|error| error.to_string())?;
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-config", "site.cnf", "-keyout", "site.key", "-out", "site.crt"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .output()
        .map_err(|error| format!("openssl: {error}"))?;
    if !made.status.success() {
        return Err(String::from_utf8_lossy(&made.stderr).into_owned());
    }
    let read = |name: &str| fs::read_to_string(folder.join(name)).map_err(|error| error.to_string());
    let both = format!("{}{}", read("site.crt")?, read("site.key")?);
    fs::write(folder.join("site.pem"), both).map_err(|error| error.to_string())
}

async fn works_before_two_nodes(kind: &'static Kind) {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let Some(redis) = tokio::task::spawn_blocking(servers::redis).await.expect("no panic") else { return };
    let start = async || {
        let setup = Setup::on(&database).change(|config| {
            config.redis = Some(redis.url(redis.port()).parse().expect("an address"));
            // The other addresses of this machine play customers.
            config.proxies = vec!["127.0.0.1/32".parse().expect("a network")];
            config.limits.off = false;
            config.limits.connections_per_minute = CONNECTIONS;
        });
        let node = setup.start().await;
        until("Redis", async || (node.fanout.reach() == Reach::Joined).then_some(())).await;
        node
    };
    let mut nodes = vec![start().await, start().await];
    let Some(edge) = Edge::start(kind, [nodes[0].address, nodes[1].address]).await else {
        for node in nodes {
            node.stop().await;
        }
        return;
    };

    // Tabs find places on both nodes, and each sees what is said in the others.
    let visitor = Visitor::new();
    let conversation = ConversationId(visitor.conversation);
    let mut tabs = Vec::new();
    while tabs.len() < 2 || nodes.iter().any(|node| node.followers(conversation) == 0) {
        assert!(tabs.len() < 10, "all {} tabs are on one node", tabs.len());
        let before = nodes[0].followers(conversation);
        let tab = edge.visit(11, &visitor, 0).await;
        tabs.push((tab, nodes[0].followers(conversation) > before));
    }
    let mut said = 0;
    for (number, (tab, _)) in tabs.iter_mut().enumerate() {
        tab.say(&format!("m{number}"), "saturday delivery").await;
        tab.hear("ack").await;
        said += 2;
    }
    for (tab, _) in &mut tabs {
        let seen: Vec<u64> = tab.events_to(said).await.iter().filter_map(|event| event["seq"].as_u64()).collect();
        assert_eq!(seen, (1..=said).collect::<Vec<_>>());
    }

    // A stream hears each event while it is open, and POSTs go to whichever node.
    let client = edge.http(12);
    let hello = json!({ "type": "hello", "token": visitor.token, "conversation": visitor.conversation, "seq": said });
    let stream = client.post(edge.url("/api/chat/events")).body(hello.to_string());
    let mut stream = Events::request(stream).await.expect("a stream");
    stream.hear("welcome").await;
    for number in 0..3 {
        let frame = json!({ "type": "say", "client_id": format!("h{number}"), "text": "saturday delivery" });
        let body = json!({ "token": visitor.token, "conversation": visitor.conversation, "frame": frame });
        let response = client.post(edge.url("/api/chat/frames")).body(body.to_string()).send();
        let response = within("a response", response).await.expect("a response").bytes().await.expect("a body");
        let reply: Value = serde_json::from_slice(&response).expect("JSON");
        assert_eq!(reply["frames"][0]["type"], "ack", "{reply}");
        let events = stream.events_to(said + 2).await;
        assert_eq!(events.len(), 2, "the question and its answer, and the stream stays open");
        said += 2;
    }

    // Pages, and what the proxy does by itself.
    let page = within("a page", client.get(edge.url("/")).send()).await.expect("a page");
    assert_eq!(page.status(), 200);
    assert_eq!(page.headers()["strict-transport-security"], "max-age=31536000");
    let plain_http = client.get(format!("http://127.0.0.1:{}/x", edge.http)).header("Host", NAME).send();
    let moved = within("a redirect", plain_http).await.expect("a redirect");
    assert!(moved.status().is_redirection(), "{moved:?}");
    assert!(moved.headers()["location"].to_str().expect("text").starts_with(&format!("https://{NAME}")), "{moved:?}");
    // The nodes know that the customer speaks TLS.
    let (_, response) = edge.upgrade(13, &[]).await.expect("the plain dialect");
    assert!(response["set-cookie"].to_str().expect("text").ends_with("; Secure"), "{response:?}");

    // Customers are told apart by their addresses, whatever they say these are.
    let mut refused = None;
    for number in 0..6 * CONNECTIONS {
        let made_up = format!("203.0.113.{number}");
        if let Err(status) = edge.upgrade(14, &[("X-Forwarded-For", &made_up)]).await {
            refused = Some(status);
            break;
        }
    }
    assert_eq!(refused, Some(429), "one address has opened as many as it liked");
    edge.upgrade(15, &[]).await.expect("somebody else comes in");

    // A node stops: whoever is told to come back finds a place on the other.
    drop(stream);
    let mut stopping = nodes.remove(0);
    stopping.begin_stop();
    let mut back = Vec::new();
    for (tab, on_first) in tabs {
        back.push(match on_first {
            true => {
                let mut tab = tab;
                tab.hear("bye").await;
                assert_eq!(tab.closed().await, Some(CloseCode::Stopping.number()));
                edge.visit(16, &visitor, u32::try_from(said).expect("small")).await
            }
            false => tab,
        });
    }
    stopping.stop().await;
    for (number, tab) in back.iter_mut().enumerate() {
        let (ack, _) = tab.ask(&format!("after-{number}"), "saturday delivery").await;
        assert_eq!(ack["seq"], said + 1);
        said += 2;
    }
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx() {
    works_before_two_nodes(&NGINX).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy() {
    works_before_two_nodes(&HAPROXY).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy() {
    works_before_two_nodes(&CADDY).await;
}

/// A time-out as it stands in an example: "120s" or "2m".
fn timeout(example: &str, directive: &str) -> Duration {
    let mut lines = example.lines().map(str::trim).filter_map(|line| line.strip_prefix(directive));
    let value = lines.next().unwrap_or_else(|| panic!("{directive} is not set")).trim().trim_end_matches(';');
    let (number, unit) = value.split_at(value.len() - 1);
    let number: u64 = number.parse().expect("a number");
    Duration::from_secs(if unit == "m" { 60 * number } else { number })
}

/// With a second of one's own for what is late.
#[test]
fn no_proxy_ends_what_is_only_quiet() {
    let (socket, stream) = (SILENT_FOR + Duration::from_secs(1), COMMENT_AFTER + Duration::from_secs(1));
    // nginx has one time-out for both.
    for directive in ["proxy_read_timeout", "proxy_send_timeout"] {
        assert!(timeout(NGINX.example, directive) > socket.max(stream), "{directive}");
    }
    assert!(timeout(HAPROXY.example, "timeout tunnel") > socket);
    for directive in ["timeout client", "timeout server"] {
        assert!(timeout(HAPROXY.example, directive) > stream, "{directive}");
    }
    // Caddy has none unless one is set.
    assert!(!CADDY.example.contains("read_timeout") && !CADDY.example.contains("stream_timeout"));
}

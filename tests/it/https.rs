//! A source behind TLS: purser in a process of its own, which trusts one authority, and servers with certificates of
//! that one and of another.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::cli::{Served, Site};
use crate::harness::{Typed, Visitor};

const FAQ: &str = "language: en\nentries:\n  - { id: hours, phrases: [opening hours], answer: Nine to five. }\n";
const PLUGIN: &str = "api: 1\nabout: asks the source that is named\nsources: [right, wrong_name, unknown]\n";
const SCRIPT: &str = "fn answer(turn) {
  if !turn.text.starts_with(\"ask \") { return pass(); }
  let found = lookup(turn.text.sub_string(4), #{});
  reply(if is_error(found) { \"cannot say: \" + found.reason } else { found.said })
}
";

/// What an authority's certificate says, and that of the host `localhost`.
const OPENSSL: &str = "[req]\ndistinguished_name = dn\nprompt = no\n[dn]\nCN = a test\n\
                       [authority]\nbasicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n\
                       [host]\nbasicConstraints = critical, CA:FALSE\nsubjectAltName = DNS:localhost\n";

/// A key and a certificate: of an authority, or of the host `localhost` by an authority.
fn certify(folder: &Path, name: &str, by: Option<&str>) {
    std::fs::write(folder.join("openssl.cnf"), OPENSSL).expect("a file");
    let mut openssl = Command::new("openssl");
    openssl.current_dir(folder).args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args(["-nodes", "-days", "2", "-config", "openssl.cnf", "-subj", &format!("/CN={name}")]);
    openssl.args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem"), "-extensions"]);
    match by {
        None => openssl.arg("authority"),
        Some(by) => openssl.args(["host", "-CA", &format!("{by}.pem"), "-CAkey", &format!("{by}.key")]),
    };
    let made = openssl.output().expect("openssl");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// A server that shows this certificate and answers everything the same. Gives its port.
async fn serve(folder: &Path, name: &str) -> u16 {
    let certificate = CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS");
    let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).expect("a fitting key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // Whoever does not like the certificate goes away.
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => head.push(byte),
                        Err(_) => return,
                    }
                }
                let body = r#"{"said":"hello over TLS"}"#;
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_is_believed_only_if_an_authority_vouches_for_its_name() {
    let certificates = tempfile::tempdir().expect("a folder");
    let at = certificates.path();
    for (name, by) in [("trusted", None), ("stranger", None), ("good", Some("trusted")), ("other", Some("stranger"))] {
        certify(at, name, by);
    }
    let (good, other) = (serve(at, "good").await, serve(at, "other").await);
    let site = Site::empty();
    site.write("faq/a.yaml", FAQ);
    site.write("plugins/asks/plugin.yaml", PLUGIN);
    site.write("plugins/asks/main.rhai", SCRIPT);
    site.write("plugins/asks/tests.yaml", "tests: []\n");
    let source = |name: &str, host: &str, port| {
        format!("  {name}: {{ get: \"https://{host}:{port}/it\", private: [127.0.0.0/8] }}\n")
    };
    let sources = [
        source("right", "localhost", good),
        source("wrong_name", "127.0.0.1", good),
        source("unknown", "localhost", other),
    ];
    site.write("purser.yaml", &format!("sources:\n{}", sources.concat()));
    let mut command = site.command(&["--listen", "127.0.0.1:0"]);
    command.env("SSL_CERT_FILE", at.join("trusted.pem")).env_remove("SSL_CERT_DIR");
    let mut served = Served::of(command);
    let log = served.standard_error();
    let mut customer = Typed::connect(served.address()).await;
    customer.hello(&Visitor::new(), 0).await;
    let mut answers = Vec::new();
    for (n, name) in ["right", "wrong_name", "unknown", "right"].iter().enumerate() {
        let (_, answer) = customer.ask(&format!("q{n}"), &format!("ask {name}")).await;
        answers.push(answer["text"].as_str().expect("a text").to_owned());
    }
    let failed = "cannot say: unavailable";
    assert_eq!(answers, ["hello over TLS", failed, failed, "hello over TLS"]);
    assert_eq!(served.stop(), 0);
    let log = log.join().expect("no panic");
    for (name, why) in [("wrong_name", "not valid for name"), ("unknown", "UnknownIssuer")] {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&format!("look-up in {name} failed"))).collect();
        assert!(lines.len() == 1 && lines[0].contains("certificate") && lines[0].contains(why), "{log}");
    }
}

//! Sources against real databases and a real HTTP server that answers whatever a test wants.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use purser::config::{Config, Flags};
use purser::sources::{LookUp, Sources, Trouble};
use serde_json::{Map, Value, json};
use sqlx::{ConnectOptions, Executor};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Setup, TestDatabase, Visitor, until, within};

/// A web server. It notes what it is asked, and answers with the bytes that `answer` makes of the path.
pub struct Web {
    pub address: SocketAddr,
    /// The heads of the requests.
    pub asked: Arc<Mutex<Vec<String>>>,
    pub requests: Arc<AtomicUsize>,
    connections: Arc<AtomicUsize>,
}

/// What a [`Web`] answers.
pub enum Said {
    /// A status, further headers, and a body with its length.
    Body(u16, &'static str, Vec<u8>),
    /// These bytes and nothing more; then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes; the connection stays open.
    Open(&'static str),
    /// Nothing, for as long as the client waits.
    Silence,
}

impl Web {
    pub async fn start(answer: impl Fn(&str) -> Said + Send + Sync + 'static) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let web = Web {
            address: listener.local_addr().expect("an address"),
            asked: Arc::default(),
            requests: Arc::default(),
            connections: Arc::default(),
        };
        let (asked, requests, answer) = (web.asked.clone(), web.requests.clone(), Arc::new(answer));
        let connections = web.connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (asked, requests, answer) = (asked.clone(), requests.clone(), answer.clone());
                // A client that goes away is nothing to fail for.
                tokio::spawn(async move { serve(stream, &asked, &requests, &*answer).await });
            }
        });
        web
    }
}

async fn serve(
    stream: TcpStream,
    asked: &Mutex<Vec<String>>,
    requests: &AtomicUsize,
    answer: &(impl Fn(&str) -> Said + Send + Sync),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        requests.fetch_add(1, Ordering::SeqCst);
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        asked.lock().expect("no panic").push(head);
        match answer(&path) {
            Said::Body(status, headers, body) => {
                let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
                stream.write_all(head.as_bytes()).await?;
                stream.write_all(&body).await?;
            }
            Said::Raw(bytes) => {
                stream.write_all(&bytes).await?;
                return Ok(());
            }
            Said::Open(text) => stream.write_all(text.as_bytes()).await?,
            Said::Silence => std::future::pending::<()>().await,
        }
    }
}

fn json_body(value: &Value) -> Said {
    Said::Body(200, "Content-Type: application/json\r\n", value.to_string().into_bytes())
}

/// The sources of a configuration with this text below `sources:`, or what is wrong with it.
fn configured(sources: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("purser.yaml");
    let indented: String = sources.lines().map(|line| format!("  {line}\n")).collect();
    std::fs::write(&file, format!("sources:\n{indented}")).expect("a file");
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let shown =
        |error: purser::config::ConfigError| error.to_string().replace(&file.display().to_string(), "purser.yaml");
    Config::load(Some(&file), variables, &Flags::default()).map_err(shown)
}

fn sources(text: &str) -> Sources {
    let config = configured(text, &[("TOKEN", "sesame")]).expect("sources");
    Sources::new(&config.outside.sources, 50)
}

async fn ask(sources: &Sources, source: &str, params: Value) -> Result<Value, Trouble> {
    let params: Map<String, Value> = params.as_object().expect("parameters").clone();
    within("a look-up", sources.look_up(source, &params)).await
}

#[tokio::test]
async fn an_http_source_gives_the_wanted_fields() {
    let web = Web::start(|path| match path {
        path if path.starts_with("/v1/parcels/") => json_body(&json!({
            "data": { "status": "delivered", "events": [{ "place": "Köln" }], "card": "4111" }, "to": path,
        })),
        "/missing" => Said::Body(404, "", b"no such thing".to_vec()),
        "/empty" => Said::Body(204, "", Vec::new()),
        _ => Said::Body(200, "", "plain, with ü".as_bytes().to_vec()),
    })
    .await;
    let at = web.address;
    let sources = sources(&format!(
        "parcel:\n  get: http://{at}/v1/parcels/{{number}}?lang={{language}}\n  headers: {{ Authorization: \"Bearer ${{TOKEN}}\" }}\n  \
         fields: {{ status: data.status, place: data.events.0.place, to: to, none: data.nothing }}\n  private: [127.0.0.1]\n\
         missing: {{ get: \"http://{at}/missing\", private: [127.0.0.0/8] }}\n\
         empty: {{ get: \"http://{at}/empty\", private: [127.0.0.1] }}\n\
         text: {{ get: \"http://{at}/text\", text: true, private: [127.0.0.1] }}\n"
    ));
    let found = ask(&sources, "parcel", json!({ "number": "PX 1/../2?x=", "language": "de" })).await.unwrap();
    assert_eq!(
        found,
        json!({ "status": "delivered", "place": "Köln", "none": null, "to": "/v1/parcels/PX%201%2F..%2F2%3Fx%3D?lang=de" })
    );
    let head = web.asked.lock().unwrap()[0].to_lowercase();
    assert!(head.contains("authorization: bearer sesame\r\n") && head.contains("user-agent: purser/"), "{head}");
    assert_eq!(ask(&sources, "missing", json!({})).await, Ok(Value::Null));
    assert_eq!(ask(&sources, "empty", json!({})).await, Ok(Value::Null));
    assert_eq!(ask(&sources, "text", json!({})).await, Ok(json!("plain, with ü")));
    // What does not fit is not even asked.
    let before = web.requests.load(Ordering::SeqCst);
    for params in [
        json!({ "number": ".." , "language": "de" }),
        json!({ "number": "1" }),
        json!({ "number": 1, "language": "de", "x": 1 }),
    ] {
        assert_eq!(ask(&sources, "parcel", params).await, Err(Trouble::Refused));
    }
    assert_eq!(ask(&sources, "nobody", json!({})).await, Err(Trouble::Unknown));
    assert_eq!(web.requests.load(Ordering::SeqCst), before);
}

#[tokio::test]
async fn whatever_an_http_source_answers_is_a_value() {
    let web = Web::start(|path| match path {
        "/500" => Said::Body(500, "", b"stack trace".to_vec()),
        "/400" => Said::Body(400, "", b"bad".to_vec()),
        "/garbage" => Said::Body(200, "", b"<html>{]".to_vec()),
        "/nothing" => Said::Raw(Vec::new()),
        "/noise" => Said::Raw(b"\x00\xff not http at all\r\n\r\n".to_vec()),
        "/half" => Said::Raw(b"HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\n{".to_vec()),
        "/empty" => Said::Body(200, "", Vec::new()),
        "/head" => Said::Raw([b"HTTP/1.1 200 x\r\n".to_vec(), b"X: y\r\n".repeat(1 << 16)].concat()),
        "/chunk" => Said::Raw(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\nx".to_vec()),
        "/large" => Said::Body(200, "", vec![b'x'; 10 << 20]),
        // Without saying beforehand how much it is.
        "/flood" => Said::Raw([b"HTTP/1.1 200 x\r\n\r\n".to_vec(), vec![b'x'; 10 << 20]].concat()),
        _ => Said::Silence,
    })
    .await;
    let at = web.address;
    for (path, expected) in [
        ("500", Trouble::Unavailable),
        ("400", Trouble::Refused),
        ("garbage", Trouble::Unreadable),
        ("nothing", Trouble::Unavailable),
        ("noise", Trouble::Unavailable),
        ("half", Trouble::Unavailable),
        ("head", Trouble::Unavailable),
        ("chunk", Trouble::Unavailable),
        ("empty", Trouble::Unreadable),
        ("large", Trouble::TooLarge),
        ("flood", Trouble::TooLarge),
        ("silence", Trouble::Timeout),
    ] {
        let sources = sources(&format!("it: {{ get: \"http://{at}/{path}\", private: [127.0.0.1], seconds: 1 }}\n"));
        assert_eq!(ask(&sources, "it", json!({})).await, Err(expected), "{path}");
    }
}

#[tokio::test]
async fn connections_are_used_again_and_answers_kept_apart() {
    let web = Web::start(|path| match path {
        "/plain" => Said::Open("HTTP/1.1 200 x\r\nContent-Length: 7\r\n\r\n\"plain\""),
        "/pieces" => Said::Open(
            "HTTP/1.1 103 x\r\nLink: </x>\r\n\r\nHTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n\
             3;x=1\r\n\"pi\r\n5\r\neces\"\r\n0\r\nX: y\r\n\r\n",
        ),
        "/missing" => Said::Open("HTTP/1.1 404 x\r\nContent-Length: 2\r\n\r\nno"),
        "/last" => Said::Open("HTTP/1.1 200 x\r\nConnection: close\r\nContent-Length: 6\r\n\r\n\"last\""),
        "/old" => Said::Raw(b"HTTP/1.0 200 x\r\n\r\n\"old\"".to_vec()),
        // It closes without having said so.
        "/gone" => Said::Raw(b"HTTP/1.1 200 x\r\nContent-Length: 6\r\n\r\n\"gone\"".to_vec()),
        // An answer to a question that nobody asked.
        _ => Said::Open(
            "HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\n\"two\"HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\n\"bad\"",
        ),
    })
    .await;
    let sources = sources(&format!("it: {{ get: \"http://{}/{{path}}\", private: [127.0.0.1] }}\n", web.address));
    let said = async |path: &str| ask(&sources, "it", json!({ "path": path })).await.expect("an answer");
    let connections = || web.connections.load(Ordering::SeqCst);
    for (path, expected) in [("plain", "plain"), ("pieces", "pieces"), ("plain", "plain")] {
        assert_eq!(said(path).await, json!(expected));
        assert_eq!(said("missing").await, Value::Null);
    }
    assert_eq!(connections(), 1);
    for (path, opened) in
        [("last", 1), ("last", 2), ("old", 3), ("old", 4), ("two", 5), ("two", 6), ("gone", 7), ("gone", 8)]
    {
        assert_eq!(said(path).await, json!(path));
        assert_eq!(connections(), opened, "{path}");
    }
    assert_eq!(said("plain").await, json!("plain"));
}

#[tokio::test]
async fn a_redirect_leads_to_the_same_host_or_nowhere() {
    let other = Web::start(|_| json_body(&json!("the other"))).await;
    let elsewhere = other.address;
    let web = Web::start(move |path| match path {
        "/same" => Said::Body(302, "Location: /here\r\n", Vec::new()),
        "/here" => json_body(&json!("here")),
        "/circle" => Said::Body(302, "Location: /circle\r\n", Vec::new()),
        _ => Said::Body(302, Box::leak(format!("Location: http://{elsewhere}/\r\n").into_boxed_str()), Vec::new()),
    })
    .await;
    let at = web.address;
    let source = |path: &str| sources(&format!("it: {{ get: \"http://{at}/{path}\", private: [127.0.0.1] }}\n"));
    assert_eq!(ask(&source("same"), "it", json!({})).await, Ok(json!("here")));
    assert_eq!(ask(&source("circle"), "it", json!({})).await, Err(Trouble::Unavailable));
    assert_eq!(ask(&source("other"), "it", json!({})).await, Err(Trouble::Unavailable));
    assert_eq!(other.requests.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn private_addresses_are_refused_also_behind_a_name() {
    let web = Web::start(|_| json_body(&json!(1))).await;
    let port = web.address.port();
    let refused = configured(&format!("it: {{ get: \"http://127.0.0.1:{port}/\" }}"), &[]).unwrap_err();
    assert!(refused.contains("sources: it: 127.0.0.1 belongs to a private network; list it in `private`"), "{refused}");
    assert!(configured("it: { get: \"http://[::ffff:169.254.169.254]/\" }", &[]).is_err());
    let named = sources(&format!("it: {{ get: \"http://localhost:{port}/\" }}\n"));
    assert_eq!(ask(&named, "it", json!({})).await, Err(Trouble::Unavailable));
    assert_eq!(web.requests.load(Ordering::SeqCst), 0);
    let listed = sources(&format!("it: {{ get: \"http://localhost:{port}/\", private: [127.0.0.1] }}\n"));
    assert_eq!(ask(&listed, "it", json!({})).await, Ok(json!(1)));
}

#[tokio::test]
async fn a_failing_source_is_left_alone() {
    let web = Web::start(|_| Said::Body(503, "", Vec::new())).await;
    let sources = sources(&format!("it: {{ get: \"http://{}/{{n}}\", private: [127.0.0.1] }}\n", web.address));
    for n in 0..20 {
        assert_eq!(ask(&sources, "it", json!({ "n": n })).await, Err(Trouble::Unavailable));
    }
    assert_eq!(web.requests.load(Ordering::SeqCst), 5);
}

/// Sources that say nothing: one that is waited for long, and one that is not.
fn silent(web: &Web, at_once: usize) -> Arc<Sources> {
    let at = web.address;
    let text = format!(
        "patient: {{ get: \"http://{at}/patient/{{n}}\", private: [127.0.0.1], seconds: 60 }}\n\
         hasty: {{ get: \"http://{at}/hasty/{{n}}\", private: [127.0.0.1], seconds: 0.4 }}\n"
    );
    Arc::new(Sources::new(&configured(&text, &[]).unwrap().outside.sources, at_once))
}

fn asking(sources: &Arc<Sources>, source: &'static str, n: usize) -> tokio::task::JoinHandle<Result<Value, Trouble>> {
    let sources = sources.clone();
    let params = Map::from_iter([("n".to_owned(), json!(n))]);
    tokio::spawn(async move { sources.look_up(source, &params).await })
}

async fn was_asked(web: &Web, times: usize) {
    until("a request", async || (web.requests.load(Ordering::SeqCst) >= times).then_some(())).await;
}

#[tokio::test]
async fn only_so_many_look_ups_are_under_way() {
    let web = Web::start(|_| Said::Silence).await;
    let sources = silent(&web, 2);
    let holding = [asking(&sources, "patient", 0), asking(&sources, "patient", 1)];
    was_asked(&web, 2).await;
    for waiting in [asking(&sources, "hasty", 2), asking(&sources, "hasty", 3)] {
        assert_eq!(within("an answer", waiting).await.unwrap(), Err(Trouble::Busy));
    }
    assert_eq!(web.requests.load(Ordering::SeqCst), 2, "whoever has no place asks nobody");
    // A place comes back, also from whoever gives up.
    holding[0].abort();
    let next = asking(&sources, "patient", 4);
    was_asked(&web, 3).await;
    next.abort();
    holding[1].abort();
}

#[tokio::test]
async fn a_source_that_is_too_slow_is_told_from_a_server_that_is_full() {
    let web = Web::start(|_| Said::Silence).await;
    let sources = silent(&web, 1);
    let hasty = asking(&sources, "hasty", 0);
    was_asked(&web, 1).await;
    // Its place goes to this one at the very moment in which its time is over.
    let next = asking(&sources, "patient", 1);
    assert_eq!(within("an answer", hasty).await.unwrap(), Err(Trouble::Timeout));
    was_asked(&web, 2).await;
    next.abort();
}

#[tokio::test]
async fn other_sources_are_taken_without_a_restart() {
    let (one, two) = (Web::start(|_| json_body(&json!("one"))).await, Web::start(|_| json_body(&json!("two"))).await);
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    };
    let sources = |at: SocketAddr| format!("sources:\n  it: {{ get: \"http://{at}/\", private: [127.0.0.1] }}\n");
    write("purser.yaml", &sources(one.address));
    write("faq/a.yaml", "language: en\nentries: [{ id: a, match: exact, phrases: [a], answer: A }]\n");
    write("plugins/tell/plugin.yaml", "api: 1\nabout: x\nsources: [it]\n");
    write("plugins/tell/tests.yaml", "tests: []\n");
    write("plugins/tell/main.rhai", "fn answer(turn) { reply(`it says ${lookup(\"it\", #{})}`) }");
    let file = folder.path().join("purser.yaml");
    let read = Config::load(Some(&file), [], &Flags::default()).expect("a configuration");
    let database = TestDatabase::sqlite();
    let setup = Setup::on(&database).change(|config| {
        config.outside = read.outside.clone();
        config.file = read.file.clone();
        config.limits.off = true;
    });
    let purser = setup.start_in(folder.clone()).await;
    let mut customer = purser.visit(&Visitor::new(), 0).await;
    assert_eq!(customer.ask("1", "tell").await.1["text"], "it says one");
    // A mistake changes nothing.
    write("purser.yaml", "sources:\n  it: { gett: x }\n");
    assert_eq!(customer.ask("2", "tell").await.1["text"], "it says one");
    write("purser.yaml", &sources(two.address));
    let mut told = json!(null);
    for n in 3..1_000 {
        told = customer.ask(&n.to_string(), "tell").await.1["text"].take();
        if told == "it says two" {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(told, "it says two");
    purser.stop().await;
}

async fn fill(database: &str) {
    let both = "CREATE TABLE shipments (number VARCHAR(30), weight DECIMAL(8,2), price DOUBLE, items INTEGER, \
                late BOOLEAN, sent DATE, seen DATETIME, note VARCHAR(50))";
    let rows = "INSERT INTO shipments VALUES \
                ('PX1', 2.50, 9.8, 3, TRUE, '2026-03-01', '2026-03-02 09:05:01', NULL), \
                ('PX2', 0.10, 1.5, -1, FALSE, NULL, NULL, 'it''s \"ü\" :x ?')";
    if database.starts_with("sqlite:") {
        let options: sqlx::sqlite::SqliteConnectOptions = database.parse().expect("an address");
        let mut connection = options.create_if_missing(true).connect().await.expect("a database");
        connection.execute(both).await.expect("a table");
        connection.execute(rows).await.expect("rows");
    } else {
        let options: sqlx::mysql::MySqlConnectOptions = database.parse().expect("an address");
        let mut connection = options.connect().await.expect("a database");
        connection.execute(both).await.expect("a table");
        connection.execute(rows).await.expect("rows");
        connection
            .execute(
                "CREATE TABLE others (big BIGINT UNSIGNED, small TINYINT UNSIGNED, exact DECIMAL(20,4), at TIMESTAMP, span TIME, \
                 kind ENUM('a','b'), data JSON, raw VARBINARY(10), year YEAR, bits BIT(10))",
            )
            .await
            .expect("a table");
        connection
            .execute("SET time_zone = '+00:00'; INSERT INTO others VALUES (18446744073709551615, 200, 1234567890123456.7891, '2026-03-02 09:05:01', '-26:03:04', \
                      'b', '{\"a\": [1]}', x'00ff', 2026, b'1000000001')")
            .await
            .expect("a row");
    }
}

async fn a_database_is_read(url: &str) {
    fill(url).await;
    let sqlite = url.starts_with("sqlite:");
    let heavy = match sqlite {
        true => "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n",
        false => "SELECT SLEEP(30) AS n",
    };
    let write = match sqlite {
        true => "WITH x AS (SELECT 1) DELETE FROM shipments WHERE number = :number",
        false => "WITH x AS (SELECT 1) SELECT * FROM shipments WHERE number = :number FOR UPDATE",
    };
    let sources = sources(&format!(
        "one: {{ database: \"{url}\", first: true, query: \"SELECT * FROM shipments WHERE number = :number\" }}\n\
         all: {{ database: \"{url}\", rows: 1, query: \"SELECT number, :say AS said FROM shipments WHERE weight < :most OR :most IS NULL ORDER BY number\" }}\n\
         heavy: {{ database: \"{url}\", seconds: 0.5, query: \"{heavy}\" }}\n\
         write: {{ database: \"{url}\", query: \"{write}\" }}\n\
         wrong: {{ database: \"{url}\", query: \"SELECT nothing FROM nowhere\" }}\n"
    ));
    let first = ask(&sources, "one", json!({ "number": "PX1" })).await.unwrap();
    let at = if sqlite { "2026-03-02 09:05:01" } else { "2026-03-02T09:05:01" };
    let expected = json!({
        "number": "PX1", "weight": 2.5, "price": 9.8, "items": 3, "late": true, "sent": "2026-03-01", "seen": at, "note": null,
    });
    assert_eq!(first, expected);
    let second = ask(&sources, "one", json!({ "number": "PX2" })).await.unwrap();
    assert_eq!(second["note"], "it's \"ü\" :x ?");
    assert_eq!((&second["sent"], &second["late"], &second["items"]), (&Value::Null, &json!(false), &json!(-1)));
    assert_eq!(ask(&sources, "one", json!({ "number": "' OR 1=1 --" })).await, Ok(Value::Null));
    let all = ask(&sources, "all", json!({ "most": 1.5, "say": "x" })).await.unwrap();
    assert_eq!(all, json!([{ "number": "PX2", "said": "x" }]));
    let all = ask(&sources, "all", json!({ "most": null, "say": "y" })).await.unwrap();
    assert_eq!(all, json!([{ "number": "PX1", "said": "y" }]), "no more rows than wanted");
    assert_eq!(ask(&sources, "heavy", json!({})).await, Err(Trouble::Timeout));
    if sqlite {
        assert_eq!(ask(&sources, "write", json!({ "number": "PX1" })).await, Err(Trouble::Unavailable));
    }
    assert_eq!(ask(&sources, "wrong", json!({})).await, Err(Trouble::Unavailable));
    // The connections are as good as before.
    assert_eq!(ask(&sources, "one", json!({ "number": "PX1" })).await.unwrap(), expected);
    sources.close().await;
}

#[tokio::test]
async fn an_sqlite_file_is_read() {
    let folder = tempfile::tempdir().unwrap();
    a_database_is_read(&format!("sqlite://{}", folder.path().join("shop.db").display())).await;
    let missing = folder.path().join("none.db");
    let sources = sources(&format!("it: {{ database: \"sqlite://{}\", query: SELECT 1 }}\n", missing.display()));
    assert_eq!(ask(&sources, "it", json!({})).await, Err(Trouble::Unavailable));
    assert!(!missing.exists(), "nothing is made");
}

#[tokio::test]
async fn a_mariadb_is_read() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let url = database.url();
    a_database_is_read(&url).await;
    let sources = sources(&format!("it: {{ database: \"{url}\", first: true, query: SELECT * FROM others }}\n"));
    let row = ask(&sources, "it", json!({})).await.unwrap();
    assert_eq!(
        row,
        json!({
            "big": "18446744073709551615", "small": 200, "exact": "1234567890123456.7891", "at": "2026-03-02T09:05:01Z", "span": "-26:03:04",
            "kind": "b", "data": "{\"a\": [1]}", "raw": "(2 bytes)", "year": 2026, "bits": 513,
        })
    );
    sources.close().await;
}

#[test]
fn a_source_is_checked() {
    let database = "database: \"sqlite://x.db\"";
    for (text, expected) in [
        (
            "it: { get: \"http://a.example/{x\" }".to_owned(),
            "sources: it: get: `http://a.example/{x` has a { without its }",
        ),
        ("it: { get: \"http://a.example/\", querry: x }".to_owned(), "unknown key `querry`"),
        ("it: {}".to_owned(), "a source has either `database` and `query`, or `get`"),
        (format!("it: {{ {database} }}"), "sources: it: query: it is missing"),
        (
            format!("it: {{ {database}, query: DROP TABLE x }}"),
            "sources: it: query: a query begins with SELECT or WITH",
        ),
        (format!("it: {{ {database}, query: SELECT 1, text: true }}"), "text: it belongs to a source with `get`"),
        (format!("it: {{ {database}, query: SELECT 1, personal: true, keep_seconds: 5 }}"), "is not kept for others"),
        ("it: { database: \"postgres://x\", query: SELECT 1 }".to_owned(), "database: it is sqlite://FILE or mysql://"),
        (
            "it: { get: \"http://a.example/\", headers: { X: \"${NOTHING}\" } }".to_owned(),
            "the variable NOTHING is not set",
        ),
        ("\"It is\": { get: \"http://a.example/\" }".to_owned(), "`It is` is no name"),
    ] {
        let told = configured(&text, &[]).unwrap_err();
        assert!(told.contains(expected) && told.contains("purser.yaml:2:"), "{text}: {told}");
    }
    let told = configured("it: { database: \"mysql://user:sesame@\", query: SELECT 1 }", &[]).unwrap_err();
    assert!(!told.contains("sesame"), "{told}");
    let told = configured("it: { get: \"http://a.example/x/{n}\", headers: { X: sesame } }", &[]).unwrap();
    assert!(!format!("{told:?}").contains("sesame"), "{told:?}");
}

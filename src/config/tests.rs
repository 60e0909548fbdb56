use std::collections::BTreeMap;

use super::*;

fn from_text(text: &str) -> Result<Config, String> {
    let mut config = Config::default();
    let mut problems = Vec::new();
    let attached = config.take_file("purser.yaml", text.as_bytes().to_vec(), &BTreeMap::new(), &mut problems);
    config.attachments = attachments::spec(attached, config.database.file());
    if problems.is_empty() { Ok(config) } else { Err(problems.join("\n")) }
}

fn problem(text: &str) -> String {
    from_text(text).expect_err(text)
}

/// The example without its comments.
fn example() -> String {
    let text = include_str!("../../purser.example.yaml");
    text.lines().filter(|line| !line.trim_start().starts_with('#')).fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn the_example_holds_every_key_with_its_default() {
    let config = from_text(&example()).unwrap();
    assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    let example = example();
    for key in KEYS {
        let own = key.split('.').next_back().unwrap();
        let lines = example.lines().filter(|line| line.trim_start().starts_with(&format!("{own}:"))).count();
        assert_eq!(lines, 1, "{key} stands in purser.example.yaml once");
    }
}

#[test]
fn the_example_of_the_llm_holds_its_defaults() {
    let text = include_str!("../../purser.example.yaml");
    let block = text.lines().skip_while(|line| *line != "llm: null").skip(1).take_while(|line| line.starts_with("#  "));
    let block: Vec<&str> = block.map(|line| &line[1..]).collect();
    let text = format!("llm:\n{}\n", block.join("\n")).replace("${LLM_KEY}", "${KEY}");
    let mut problems = Vec::new();
    let key = |name: &str| (name == "KEY").then(|| "sesame".to_owned());
    let read = llm::read("purser.yaml", &text, &key, &mut problems).unwrap_or_else(|| panic!("{problems:?}"));
    let Settings { url, model, about, key, links, .. } = read.clone();
    assert_eq!((url.as_str(), model.as_str(), links.len()), ("http://127.0.0.1:11434/v1", "gemma3:4b", 1));
    assert!(key.is_some() && !format!("{read:?}").contains("sesame"));
    let usual = Settings { url, model, about, key, links, ..Settings::default() };
    assert_eq!(read, usual);
}

#[test]
fn every_key_of_the_example_takes_another_value() {
    // An example whose keys nobody reads would hold the defaults, too.
    let text = "listen: localhost:0\ndatabase: sqlite://other.db\nredis: redis://b\nfaq: a\nplugins: b\nreplies: r\ntemplates: c\nlanguage: de-AT\n\
                origins: [HTTPS://Shop.example/, \"b.example:443\", http://c.example:443]\npipeline: [person]\n\
                admin_token: 0123456789abcdef\nlog: purser=debug,warn\nlimits: { answer_seconds: 20,\n \
                responder_seconds: 5, unread_seconds: 9, sockets: 1_000, socket_queue: 8, drain_seconds: 7, stop_seconds: 0, return_seconds: 0,\n \
                handshakes_per_second: 7, messages_per_minute: 9, requests_per_minute: 9, address_requests_per_minute: 9,\n \
                connections_per_minute: 9, connections_open: 9, conversations_per_hour: 9, attachments_per_hour: 9, lookups: 9 }\n\
                proxies: [10.0.0.0/8]\nproxy_header: Forwarded\nwatchers: [10.0.0.0/8]\nlog_format: json\n\
                retention: { days: 9, closed_days: 8, anonymous_days: 7 }\n\
                attachments: { off: true, folder: files, max_mb: 9, per_conversation: 9, pixels: 999 }\n\
                people: { time_zone: UTC, hours: [mon 09:00-10:00], wait_minutes: 9, forgotten_minutes: 9,\n \
                idle_minutes: 9, remind_minutes: 9, ask_rating: false, call_after: 9 }\n";
    let mut config = from_text(text).unwrap();
    config.set(LIMITS, &Value::One("off".to_owned())).unwrap();
    config.test_echo = true;
    let default = format!("{:#?}", Config::default());
    let changed = format!("{config:#?}");
    // Sources and actions have no default, and the file is where it was read from.
    let apart =
        ["sources: {},", "actions: {},", "identity: None,", "llm: None,", "mail: None,", "hooks: {},", "file: None,"];
    let changed: String =
        changed.lines().filter(|line| !apart.contains(&line.trim())).map(|line| format!("{line}\n")).collect();
    let same: Vec<_> =
        changed.lines().filter(|line| line.ends_with(',') && line.contains(": ") && default.contains(line)).collect();
    assert!(same.is_empty(), "{same:?}");
    assert_eq!(config.origins, ["https://shop.example", "https://b.example", "http://c.example:443"]);
    assert_eq!(config.limits.sockets, 1_000);
}

#[test]
fn what_is_said_of_retention_is_checked() {
    let kept = from_text("retention: { closed_days: 2 }").unwrap().retention;
    assert_eq!((kept.all, kept.closed, kept.anonymous), (None, Some(172_800_000), None));
    for (text, part) in [
        ("retention: { days: 0 }", "retention.days: 0 is not a number of days from 1 to 36500"),
        ("retention: { closed_days: -1 }", "a whole number from 0 to 4294967295\n --> purser.yaml:1:27"),
        ("retention: { anonymus_days: 3 }", "did you mean `anonymous_days`?"),
        ("retention: 30", "keys with values are wanted here\n --> purser.yaml:1:12"),
    ] {
        let problem = problem(text);
        assert!(problem.contains(part), "{text}: {problem}");
    }
}

#[test]
fn what_is_said_of_people_is_checked() {
    for (text, part) in [
        ("llm: { url: ftp://a, model: m, about: us }", "`ftp://a` is no address"),
        ("llm: { url: 'http://u:p@a/v1', model: m, about: us }", "is no address"),
        ("llm: { url: http://a/v1, model: ' ', about: us }", "model is empty"),
        ("llm: { url: http://a/v1, model: m }", "the key `about` is missing"),
        ("llm: { url: http://a/v1, model: m, about: us, key: sk-1 }", "it comes from the environment"),
        ("llm: { url: http://a/v1, model: m, about: us, key: '${NO_SUCH}' }", "NO_SUCH"),
        ("llm: { url: http://a/v1, model: m, about: us, entries: 0 }", "entries: 0 is not a number from 1 to 20"),
        ("llm: { url: http://a/v1, model: m, about: us, links: ['https://a'] }", "`https://a` is no host"),
        ("llm: { url: http://a/v1, model: m, about: us, seconds: 5 }", "first_token_seconds is more than seconds"),
        ("llm: { url: http://a/v1, model: m, about: us, modle: x }", "unknown key `modle`"),
        ("people: { hours: [mon 09:00-10:00] }", "need a `time_zone`"),
        ("people: { time_zone: UTC, hours: [moon 09:00-10:00] }", "`moon 09:00-10:00` are no hours"),
        ("people: { time_zone: Nowhere, hours: [mon 09:00-10:00] }", "`Nowhere` is no time zone"),
        ("people: { time_zone: UTC, holidays: [12-25] }", "holidays need `hours`"),
        ("people: { wait_minutes: 0 }", "wait_minutes: 0 is not a number of minutes"),
        ("people: { wait_minute: 3 }", "did you mean `wait_minutes`?"),
    ] {
        let problem = problem(text);
        assert!(problem.contains(part), "{text}: {problem}");
    }
}

#[test]
fn the_later_place_wins() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("site.yaml");
    fs::write(&file, "listen: 127.0.0.1:1\nlanguage: de\nfaq: from-file\n").unwrap();
    let env = [("PURSER_LISTEN", "127.0.0.1:2"), ("PURSER_FAQ", "from-env"), ("HOME", "/x")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let flags = Flags(vec![("faq", "from-flag".to_owned())]);
    let config = Config::load(Some(&file), env, &flags).unwrap();
    assert_eq!(config.listen, "127.0.0.1:2");
    assert_eq!(config.language, "de");
    assert_eq!(config.faq, Path::new("from-flag"));
    assert_eq!(config.plugins, Path::new("plugins"));

    let missing = Config::load(Some(&folder.path().join("no.yaml")), [], &Flags::default()).unwrap_err();
    assert!(missing.to_string().contains("cannot read"), "{missing}");
}

#[test]
fn lists_in_variables_are_separated_by_commas() {
    let env = [("PURSER_ORIGINS", "https://a.example, https://b.example:8443"), ("PURSER_PIPELINE", "person,faq")];
    let env = env.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let config = Config::load(Some(Path::new("/dev/null")), env, &Flags::default()).unwrap();
    assert_eq!(config.origins, ["https://a.example", "https://b.example:8443"]);
    assert_eq!(config.pipeline, ["person", "faq"]);
}

#[test]
fn problems_name_the_place_and_the_way_out() {
    let shown = "error: listen: `nowhere` is not an address; write host:port, such as 127.0.0.1:8080, or 0.0.0.0:8080 \
                 to be reached from other machines\n \
                 --> purser.yaml:2:9\n  |\n2 | listen: nowhere\n  |         ^";
    assert_eq!(problem("faq: faq\nlisten: nowhere\n"), shown);
    let shown = "error: unknown key `lisen`\n --> purser.yaml:2:1\n  = did you mean `listen`?";
    assert_eq!(problem("faq: faq\nlisen: x\n"), shown);
    for (text, expected) in [
        ("limits:\n  sokets: 3\n", "unknown key `sokets`\n --> purser.yaml:2:3"),
        ("limits:\n  sokets: 3\n", "did you mean `sockets`?"),
        ("sorces:\n  shop: 3\n", "did you mean `sources`?"),
        ("sockets: 3\n", "it belongs into `limits`"),
        ("colour: red\n", "the keys are listen, database, redis, faq"),
        ("listen: 8080\n", "listen: `8080` is not an address; write host:port"),
        ("listen: 127.0.0.1:99999\n", "is not an address"),
        ("listen: [a, b]\n", "listen: one value is expected, not a list"),
        ("faq: ''\n", "faq: the value is empty"),
        ("faq: { a: b }\n", "faq: a single value or a list of them is expected"),
        ("limits: 3\n", "limits: keys are expected, such as `sockets: 20000`"),
        ("limits: { sockets: 0 }\n", "limits.sockets: `0` is not a whole number from 1 to 1000000"),
        ("limits: { stop_seconds: soon }\n", "`soon` is not a whole number"),
        ("language: English\n", "`English` is not a language; write en, de or de-AT"),
        ("origins: [https://*.example]\n", "has a wildcard"),
        ("origins: [https://shop.example/chat]\n", "is more than a site"),
        ("origins: [ftp://shop.example]\n", "is not a site that a browser opens"),
        ("origins: [shop.example:http]\n", "is not a site;"),
        ("pipeline: [faq, persn]\n", "there is no responder `persn`; did you mean `person`?"),
        ("pipeline: [faq, faq]\n", "`faq` stands here twice"),
        ("pipeline: []\n", "nothing would ever be answered"),
        ("log: loud\n", "`loud` is no log level"),
        ("database: purser.db\n", "database: a database is sqlite://FILE or mysql://"),
        ("redis: localhost\n", "redis: Redis is redis://HOST:6379, rediss://HOST:6379 with TLS"),
        ("just a text\n", "keys and values are expected"),
        ("faq: a\nfaq: b\n", "the key `faq` stands here twice"),
        ("faq: [a\n", "purser.yaml:"),
    ] {
        let shown = problem(text);
        assert!(shown.contains(expected), "{text}: {shown}");
    }
    let both = problem("colour: red\nlimits: { sockets: 0, queue: 1 }\n");
    assert_eq!(both.matches("--> purser.yaml:").count(), 3, "all problems at once: {both}");
}

#[test]
fn problems_of_variables_and_flags_name_them() {
    let env = [("PURSER_LIMITS_SOCKETS".to_owned(), "many".to_owned()), ("PURSER_REDIS".to_owned(), "x".to_owned())];
    let flags = Flags(vec![("listen", "nowhere".to_owned()), ("redis", "x".to_owned())]);
    let shown = Config::load(Some(Path::new("/dev/null")), env, &flags).unwrap_err().to_string();
    for expected in
        ["PURSER_LIMITS_SOCKETS: `many`", "PURSER_REDIS: Redis is", "--listen: `nowhere`", "--redis: Redis is"]
    {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    let env = [("PURSER_LIMITS_ANSWER_SECONDS".to_owned(), "8".to_owned())];
    let shown = Config::load(Some(Path::new("/dev/null")), env, &Flags::default()).unwrap_err().to_string();
    assert!(shown.contains("limits.responder_seconds (8) must be below"), "{shown}");
}

#[test]
fn unknown_variables_warn_and_known_ones_do_not() {
    let names = ["PURSER_LISTN", "PURSER_PORT_8080_TCP_ADDR", "PURSER_LIMITS_SOCKETS", "PURSER_CONFIG", "PATH"];
    let warnings = unknown_variables(names.map(str::to_owned));
    assert_eq!(
        warnings,
        [
            "PURSER_LISTN is not a setting of purser and has no effect; did you mean PURSER_LISTEN?",
            "PURSER_PORT_8080_TCP_ADDR is not a setting of purser and has no effect",
        ]
    );
}

#[test]
fn secrets_show_nowhere() {
    let text = "database: mysql://shop:s3cret@db/chat\nredis: redis://:s3cret@b\nadmin_token: s3cret-s3cret-s3cret\n";
    let shown = format!("{:?}", from_text(text).unwrap());
    assert!(!shown.contains("s3cret") && shown.contains("***"), "{shown}");
    for text in [
        "database: mysql://shop:s3cret@/chat\n",
        "redis: redis://:s3cret@b/c\n",
        "admin_token: s3cret\n",
        "admin_tokn: s3cret\n",
        "admin_token: [s3cret, b]\n",
        "admin_token: s3cret-s3cret-s3cret-ä\n",
        "databse: mysql://shop:s3cret@db/chat\n",
        "{ faq: x, admin_token: s3cret }\n",
    ] {
        let shown = problem(text);
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}

#[test]
fn keys_come_from_variables_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    fs::write(&file, "a key of the shop in a file, 32 bytes\n").unwrap();
    let text = format!(
        "identity:\n  audience: chat\n  keys:\n    \"7\": ${{SHOP_KEY}}\n    b: {{ file: {} }}\n  chatwoot: ${{CHATWOOT}}\n",
        file.display()
    );
    let env = [("SHOP_KEY", "k".repeat(32)), ("CHATWOOT", "c".repeat(24))];
    let env: BTreeMap<String, String> = env.map(|(name, value)| (name.to_owned(), value)).into();
    let mut problems = Vec::new();
    let keys = identity::read("purser.yaml", &text, &|name| env.get(name).cloned(), &mut problems);
    let keys = keys.unwrap_or_else(|| panic!("{problems:?}"));
    assert_eq!(keys.audience, "chat");
    let secrets: Vec<(&str, &str)> = keys.secrets.iter().map(|(kid, secret)| (kid.as_str(), secret.as_str())).collect();
    assert_eq!(secrets, [("7", &*"k".repeat(32)), ("b", "a key of the shop in a file, 32 bytes")]);
    assert_eq!(keys.chatwoot, Some("c".repeat(24)));
}

#[test]
fn a_key_that_is_none_is_refused_without_showing_it() {
    assert!(from_text("identity: null\n").unwrap().identity.is_none());
    for (text, expected) in [
        ("identity: {}\n", "identity: it has no key; write"),
        ("identity: { keys: { a: s3cret } }\n", "keys: a: the secret has 6 bytes, at least 32 are needed: openssl"),
        ("identity: { keys: { a: \"${PURSER_NO_SUCH}\" } }\n", "keys: a: the variable PURSER_NO_SUCH is not set"),
        ("identity: { keys: { a: { file: /no/such/s3cre-file } } }\n", "keys: a: cannot read /no/such/s3cre-file"),
        ("identity: { keys: { \"\": s3cret } }\n", "a key has a name of 1 to 64 bytes"),
        ("identity: { chatwoot: s3cret }\n", "chatwoot: the secret has 6 bytes, at least 16"),
        ("identity: { key: s3cret }\n", "purser.yaml:1"),
    ] {
        let shown = problem(text);
        assert!(shown.contains(expected) && !shown.contains("s3cret"), "{text}: {shown}");
    }
}

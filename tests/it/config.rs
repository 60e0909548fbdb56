//! Where settings come from, as the program sees it.

use crate::cli::{Site, finish};

#[test]
fn file_variables_and_flags_win_in_this_order() {
    let site = Site::empty();
    for place in ["from-file", "from-variable", "from-flag"] {
        let entry = "language: en\nentries: [{ id: hello, phrases: [hello], answer: Hello }]\n";
        site.write(&format!("{place}/a.yaml"), &entry.replace("Hello", place));
    }
    let answer = |flags: &[&str], variable: bool| {
        let arguments: Vec<&str> = ["ask"].iter().chain(flags).copied().collect();
        let mut command = site.command(&arguments);
        if variable {
            command.env("PURSER_FAQ", "from-variable");
        }
        finish(command.spawn().expect("purser"), "hello\n")
    };
    assert!(answer(&[], false).err.contains("purser init"), "no folder by default");
    site.write("purser.yaml", "faq: from-file\n");
    assert!(answer(&[], false).out.contains("from-file"));
    assert!(answer(&[], true).out.contains("from-variable"));
    assert!(answer(&["--faq", "from-flag"], true).out.contains("from-flag"));

    site.write("other.yaml", "faq: from-flag\n");
    assert!(answer(&["--config", "other.yaml"], false).out.contains("from-flag"), "instead of purser.yaml");
    let missing = answer(&["--config", "no.yaml"], false);
    assert_eq!(missing.code, 1);
    assert!(missing.err.contains("cannot read no.yaml"), "{missing:?}");
}

#[test]
fn a_broken_configuration_stops_the_start_and_names_the_place() {
    let site = Site::starter();
    site.write("purser.yaml", "faq: faq\nlimits:\n  sokets: 3\n");
    let ran = site.run(&["check"]);
    assert_eq!(ran.code, 1);
    for expected in
        ["the configuration cannot be used", "unknown key `sokets`", "purser.yaml:3:3", "did you mean `sockets`?"]
    {
        assert!(ran.err.contains(expected), "{ran:?}");
    }
}

#[test]
fn a_wrong_address_of_redis_is_refused_wherever_it_is_given() {
    let site = Site::starter();
    let refused = "http://localhost";
    let ran = site.run(&["--redis", refused]);
    assert!(ran.code == 1 && ran.err.contains("--redis: "), "{ran:?}");
    let ran = finish(site.command(&["serve"]).env("PURSER_REDIS", refused).spawn().unwrap(), "");
    assert!(ran.code == 1 && ran.err.contains("PURSER_REDIS: "), "{ran:?}");
    site.write("purser.yaml", "redis: http://localhost\n");
    let ran = site.run(&["check"]);
    assert!(ran.code == 1 && ran.err.contains("redis://HOST:6379") && ran.err.contains("purser.yaml:1:8"), "{ran:?}");
}

#[test]
fn an_unknown_variable_only_warns() {
    let site = Site::starter();
    let mut command = site.command(&["check"]);
    command.env("PURSER_PORT_80_TCP", "tcp://10.0.0.1:80").env("PURSER_LANGUAG", "de");
    let ran = finish(command.spawn().unwrap(), "");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.err.contains("PURSER_PORT_80_TCP is not a setting"), "{ran:?}");
    assert!(ran.err.contains("did you mean PURSER_LANGUAGE?"), "{ran:?}");
}

#[test]
fn secrets_stand_in_no_output() {
    let site = Site::starter();
    for file in [
        "database: mysql://shop:s3cr3t-s3cr3t-s3cr3t@\n",
        "admin_token: [s3cr3t-s3cr3t-s3cr3t]\n",
        "admin_tken: s3cr3t-s3cr3t-s3cr3t\n",
        "database: mysql://shop:s3cr3t-s3cr3t-s3cr3t@127.0.0.1:9/chat\n",
    ] {
        site.write("purser.yaml", file);
        let mut command = site.command(&["--listen", "127.0.0.1:0", "--log", "trace"]);
        command.env("PURSER_LIMITS_STOP_SECONDS", "1");
        let ran = finish(command.spawn().unwrap(), "");
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(!format!("{ran:?}").contains("s3cr3t"), "{ran:?}");
    }
}

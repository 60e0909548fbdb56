//! Who gets in: passwords, sessions, roles, and requests that other sites' pages have a browser send.

use std::sync::atomic::Ordering;

use purser::accounts;
use purser::clock::Clock;
use purser::store::{AccountChange, Role};
use serde_json::json;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Agent, PASSWORD, log_in};
use crate::harness::{Setup, TestDatabase, TestPurser, Visitor, http_client, within};
use crate::on_both_engines;

on_both_engines! {
    a_session_ends_on_the_server;
    wrong_passwords_lock_out_who_gave_them;
    whoever_guesses_from_everywhere_keeps_no_agent_out;
    only_the_own_page_may_do_something;
    nobody_does_what_is_not_theirs;
    recordings_are_for_those_who_edit;
}

async fn a_session_ends_on_the_server(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    assert_eq!(anna.get("list?shelf=waiting").await.0, 200);
    // A log-in makes a new session, and ends what the browser had.
    let (status, second) = log_in(purser.address, " ANNA ", PASSWORD).await;
    assert_eq!(status, 204);
    assert_ne!(second.as_deref(), Some(&*anna.cookie));
    // A cookie that somebody made up opens nothing.
    for cookie in ["", "purser_agent=", &format!("purser_agent={}", "0".repeat(64)), "purser_agent=' OR 1=1 --"] {
        let stranger = Agent { cookie: cookie.to_owned(), ..anna.at(&purser) };
        for path in ["list?shelf=all", "older?conversation=x&before=1", "replies", "live"] {
            assert_eq!(stranger.get(path).await.0, 401, "{cookie} {path}");
        }
        assert_eq!(stranger.act(json!({ "do": "duty", "away": true, "max_chats": 5 })).await.0, 401, "{cookie}");
    }
    // Another password ends all sessions, also those whose stream is open.
    let mut live = anna.live(None).await;
    live.hear("me", |me| me["name"] == "Anna").await;
    let hash = accounts::hashed("another password").expect("a hash");
    purser.store.change_account(AccountChange::Password(anna.id, hash)).await.expect("the store");
    live.ends().await;
    assert_eq!(anna.get("list?shelf=waiting").await.0, 401);
    assert_eq!(log_in(purser.address, "anna", PASSWORD).await.0, 401);
    let (status, cookie) = log_in(purser.address, "anna", "another password").await;
    assert_eq!(status, 204);
    let anna = Agent { cookie: cookie.expect("a cookie"), ..anna };
    assert_eq!(anna.get("list?shelf=waiting").await.0, 200);
    purser.store.change_account(AccountChange::Disable(anna.id, true)).await.expect("the store");
    assert_eq!(anna.get("list?shelf=waiting").await.0, 401);
    assert_eq!(log_in(purser.address, "anna", "another password").await.0, 401);
    purser.stop().await;
}

/// A log-in from an address, with the cookie of a browser: the status, and the cookies that were set.
async fn try_from(
    purser: &TestPurser,
    address: &str,
    browser: Option<&str>,
    login: &str,
    password: &str,
) -> (u16, Vec<String>) {
    let request = http_client()
        .post(format!("http://{}/agent/login", purser.address))
        .header("X-Purser-Console", "1")
        .header("X-Forwarded-For", address)
        .header("Cookie", browser.unwrap_or_default())
        .body(json!({ "login": login, "password": password }).to_string());
    let response = within("an answer", request.send()).await.expect("an answer");
    let cookies = response.headers().get_all("set-cookie").iter();
    let cookies = cookies.map(|cookie| cookie.to_str().expect("text").split(';').next().expect("a pair").to_owned());
    (response.status().as_u16(), cookies.collect())
}

/// The cookie by which the browser is known from now on.
fn browser_of(cookies: &[String]) -> &str {
    cookies.iter().find(|cookie| cookie.starts_with("purser_browser=")).expect("a cookie")
}

async fn wrong_passwords_lock_out_who_gave_them(database: &TestDatabase) {
    let clock = Clock::set(1_770_000_000_000);
    let Clock::Set(now) = &clock else { unreachable!("it was set") };
    let purser = Setup::on(database).clock(&clock).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let (guesser, elsewhere) = ("198.51.100.1", "192.0.2.7");
    let status = async |address: &str, password: &str| try_from(&purser, address, None, "anna", password).await.0;
    // A name that nobody has is answered for in the same way: no answer tells that.
    for answer in [401, 401, 401, 401, 401, 401, 429] {
        assert_eq!(try_from(&purser, guesser, None, "nobody", PASSWORD).await.0, answer);
    }
    assert_eq!(try_from(&purser, elsewhere, None, "nobody", PASSWORD).await.0, 401);
    for _ in 0..6 {
        assert_eq!(status(guesser, "a wrong password").await, 401);
    }
    // Not even the right one is tried now; who is in stays in, and elsewhere nothing is locked.
    assert_eq!(status(guesser, PASSWORD).await, 429);
    assert_eq!(anna.get("list?shelf=waiting").await.0, 200);
    assert_eq!(status(elsewhere, PASSWORD).await, 204);
    assert_eq!(status(guesser, PASSWORD).await, 429, "somebody else's right password opens nothing here");
    // Each further one costs twice as long.
    now.fetch_add(16_000, Ordering::SeqCst);
    assert_eq!(status(guesser, "a wrong password").await, 401);
    now.fetch_add(16_000, Ordering::SeqCst);
    assert_eq!(status(guesser, PASSWORD).await, 429);
    now.fetch_add(16_000, Ordering::SeqCst);
    assert_eq!(status(guesser, PASSWORD).await, 204);
    assert_eq!(status(guesser, "a wrong password").await, 401);
    assert_eq!(status(guesser, PASSWORD).await, 204);
    // A session is over after half a day.
    now.fetch_add(accounts::SESSION, Ordering::SeqCst);
    assert_eq!(anna.get("list?shelf=waiting").await.0, 401);
    purser.stop().await;
}

async fn whoever_guesses_from_everywhere_keeps_no_agent_out(database: &TestDatabase) {
    let clock = Clock::set(1_770_000_000_000);
    let Clock::Set(now) = &clock else { unreachable!("it was set") };
    let purser = Setup::on(database).clock(&clock).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let ben = Agent::new(&purser, "ben", Role::Agent).await;
    let home = "192.0.2.1";
    let (status, cookies) = try_from(&purser, home, None, "anna", PASSWORD).await;
    assert_eq!(status, 204);
    let browser = browser_of(&cookies).to_owned();
    // Another agent at the same browser: it is known to both.
    let (_, cookies) = try_from(&purser, home, Some(&browser), "ben", PASSWORD).await;
    assert_eq!(browser_of(&cookies), browser);
    // The cookie opens nothing, in whichever place.
    for cookie in [browser.clone(), browser.replace("purser_browser", "purser_agent")] {
        assert_eq!(Agent { cookie, ..anna.at(&purser) }.get("list?shelf=waiting").await.0, 401);
    }
    let bens = try_from(&purser, "192.0.2.2", None, "ben", PASSWORD).await.1;
    let bens = browser_of(&bens).to_owned();
    // One that nobody gave out is not taken over.
    let planted = format!("purser_browser={}", "ab".repeat(32));
    let (_, cookies) = try_from(&purser, home, Some(&planted), "ben", PASSWORD).await;
    assert_ne!(browser_of(&cookies), planted);

    // Guesses from as many addresses, all at once: no more of them are tried than if they came one after the other.
    let guesses = (0..60).map(|n| {
        let purser = &purser;
        async move { try_from(purser, &format!("198.51.100.{n}"), None, "anna", "a wrong password").await.0 }
    });
    let answers = futures_util::future::join_all(guesses).await;
    let tried = answers.iter().filter(|status| **status == 401).count();
    assert!((31..=32).contains(&tried) && answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
    let status = async |address: &str, browser: Option<&str>, password: &str| {
        try_from(&purser, address, browser, "anna", password).await.0
    };
    // Strangers are locked out, whatever they bring along. Where Anna has been before she gets in.
    for cookie in [None, Some(&*planted), Some(&*bens), Some("purser_browser=x")] {
        assert_eq!(status("203.0.113.1", cookie, PASSWORD).await, 429, "{cookie:?}");
    }
    assert_eq!(status("203.0.113.1", Some(&browser), PASSWORD).await, 204);
    assert_eq!(status("203.0.113.2", None, PASSWORD).await, 429, "that opens it to nobody else");
    // Whoever has the cookie gets no more tries than others.
    for _ in 0..6 {
        assert_eq!(status("203.0.113.3", Some(&browser), "a wrong password").await, 401);
    }
    assert_eq!(status(home, Some(&browser), PASSWORD).await, 429);
    now.fetch_add(16_000, Ordering::SeqCst);
    assert_eq!(status(home, Some(&browser), PASSWORD).await, 204);
    // After a day of peace all begin anew.
    now.fetch_add(25 * 60 * 60 * 1_000, Ordering::SeqCst);
    for n in 0..2 {
        assert_eq!(status(&format!("203.0.113.{n}"), None, "a wrong password").await, 401);
    }
    assert_eq!(status("203.0.113.9", None, PASSWORD).await, 204);
    // With another password no browser is known.
    let hash = accounts::hashed("another password").expect("a hash");
    purser.store.change_account(AccountChange::Password(anna.id, hash)).await.expect("the store");
    let token = browser.split_once('=').expect("a pair").1;
    let key = Sha256::digest(token.as_bytes()).into();
    assert_eq!(purser.store.agents_of_browser(&key, 0).await, Ok(vec![ben.id]));
    // Nor after a while in which nobody has come with it.
    assert_eq!(purser.store.agents_of_browser(&key, now.load(Ordering::SeqCst) + accounts::KNOWN).await, Ok(vec![]));
    purser.stop().await;
}

async fn only_the_own_page_may_do_something(database: &TestDatabase) {
    let purser =
        Setup::on(database).change(|config| config.origins = vec!["https://shop.example".to_owned()]).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let duty = json!({ "do": "duty", "away": true, "max_chats": 5 }).to_string();
    let login = json!({ "login": "anna", "password": PASSWORD }).to_string();
    let own = format!("http://{}", purser.address);
    for (path, body) in [("act", &duty), ("login", &login), ("logout", &String::new())] {
        for (headers, allowed) in [
            (vec![], false),
            (vec![("X-Purser-Console", "1"), ("Origin", "https://evil.example")], false),
            // Whose pages may chat may not answer.
            (vec![("X-Purser-Console", "1"), ("Origin", "https://shop.example")], false),
            (vec![("X-Purser-Console", "1"), ("Origin", "null")], false),
            (vec![("X-Purser-Console", "1"), ("Sec-Fetch-Site", "same-site")], false),
            (vec![("Origin", &*own)], false),
            (vec![("X-Purser-Console", "1"), ("Origin", &*own), ("Sec-Fetch-Site", "same-origin")], path != "logout"),
        ] {
            if path == "logout" && headers.len() == 3 {
                continue;
            }
            let mut request = http_client().post(format!("{own}/agent/{path}")).header("Cookie", &anna.cookie);
            for (name, value) in &headers {
                request = request.header(*name, *value);
            }
            // The log-in would end the session that the next one needs.
            if path == "login" {
                request = http_client().post(format!("{own}/agent/{path}"));
                for (name, value) in &headers {
                    request = request.header(*name, *value);
                }
            }
            let response = within("an answer", request.body(body.clone()).send()).await.expect("an answer");
            assert_eq!(response.status().as_u16() != 403, allowed, "{path} {headers:?}: {}", response.status());
        }
    }
    // A cookie over TLS is bound to the host, and none of them is for scripts or other sites.
    for (scheme, start) in [("http", "purser_agent="), ("https", "__Host-purser_agent=")] {
        let request = http_client()
            .post(format!("{own}/agent/login"))
            .header("X-Purser-Console", "1")
            .header("X-Forwarded-Proto", scheme)
            .body(login.clone());
        let response = within("an answer", request.send()).await.expect("an answer");
        let cookie = response.headers()["set-cookie"].to_str().expect("text").to_owned();
        assert!(
            cookie.starts_with(start) && cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
            "{cookie}"
        );
        assert_eq!(cookie.contains("Secure"), scheme == "https", "{cookie}");
    }
    purser.stop().await;
}

async fn nobody_does_what_is_not_theirs(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    let ben = Agent::new(&purser, "ben", Role::Editor).await;
    let cleo = Agent::new(&purser, "cleo", Role::Admin).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m1", "talk to a person").await;
    anna.take(&visitor).await;
    let conversation = visitor.conversation;
    let reply = || json!({ "do": "reply", "conversation": conversation, "id": Uuid::new_v4(), "text": "x" });
    let others = || {
        [
            json!({ "do": "take", "conversation": conversation, "over": true }),
            json!({ "do": "transfer", "conversation": conversation, "to": null }),
            json!({ "do": "back", "conversation": conversation }),
            json!({ "do": "close", "conversation": conversation }),
        ]
    };
    for what in others().into_iter().chain([reply()]) {
        assert_eq!(ben.act(what.clone()).await.0, 409, "{what}");
    }
    // One who leads may do all of it, but not speak as another; and to take what a colleague has must be meant.
    assert_eq!(cleo.act(reply()).await.0, 409);
    let take = json!({ "do": "take", "conversation": conversation });
    assert_eq!(cleo.act(take).await, (409, json!({ "error": "Anna has this conversation" })));
    for what in others() {
        assert_eq!(cleo.act(what.clone()).await.0, 200, "{what}");
        if what["do"] == "close" {
            break;
        }
        if what["do"] == "back" {
            customer.ask("m2", "talk to a person").await;
        }
    }
    // What cannot be is refused, and says why.
    for (what, status) in [
        (json!({ "do": "close", "conversation": conversation }), 409),
        (json!({ "do": "take", "conversation": Uuid::new_v4() }), 409),
        (json!({ "do": "tags", "conversation": conversation, "tags": ["x".repeat(33)] }), 422),
        (json!({ "do": "duty", "away": false, "max_chats": 0 }), 422),
        (json!({ "do": "note", "conversation": conversation, "id": Uuid::new_v4(), "text": " " }), 422),
        (json!({ "do": "sudo" }), 400),
    ] {
        assert_eq!(anna.act(what.clone()).await.0, status, "{what}");
    }
    // Nobody takes more than they want, or gets what they do not want.
    anna.does(json!({ "do": "duty", "away": false, "max_chats": 1 })).await;
    for number in 0..2 {
        let visitor = Visitor::new();
        let mut customer = purser.visit(&visitor, 0).await;
        customer.ask("m1", "talk to a person").await;
        let (status, answer) = anna.act(json!({ "do": "take", "conversation": visitor.conversation })).await;
        assert_eq!(status, if number == 0 { 200 } else { 409 }, "{answer}");
    }
    let away = json!({ "do": "duty", "away": true, "max_chats": 5 });
    ben.does(away).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    customer.ask("m1", "talk to a person").await;
    cleo.take(&visitor).await;
    for to in [anna.id, ben.id] {
        let pass = json!({ "do": "transfer", "conversation": visitor.conversation, "to": to });
        assert_ne!(cleo.act(pass).await.0, 200);
    }
    purser.stop().await;
}

async fn recordings_are_for_those_who_edit(database: &TestDatabase) {
    let purser = TestPurser::start(database).await;
    let (customer, quiet) = (Visitor::new(), Visitor::new());
    let mut socket = purser.visit(&customer, 0).await;
    socket.ask("1", "hi, my name is Karl Herzog, write to karl@herzog.example").await;
    let path = format!("recording?conversation={}", customer.conversation);
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    assert_eq!(anna.get(&path).await.0, 403);
    let eve = Agent::new(&purser, "eve", Role::Editor).await;
    let response = http_client().get(format!("http://{}/agent/{path}", purser.address)).header("Cookie", &eve.cookie);
    let response = within("the file", response.send()).await.expect("an answer");
    assert_eq!(response.status(), 200);
    let header = |name: &str| response.headers()[name].to_str().expect("a text").to_owned();
    assert!(header("content-disposition").ends_with(".yaml\""), "{}", header("content-disposition"));
    assert!(!header("content-disposition").contains(&customer.conversation.to_string()));
    assert_eq!((header("content-type").as_str(), header("cache-control").as_str()), ("application/yaml", "no-store"));
    let text = within("the text", response.text()).await.expect("a text");
    let recording = purser::recording::Recording::parse("saved.yaml", &text).expect("a recording");
    assert_eq!(recording.conversation.len(), 1);
    assert!(text.contains("my name is Ada Example") && !text.contains("erzog"), "{text}");
    for (query, status) in [(format!("conversation={}", quiet.conversation), 404), ("conversation=x".to_owned(), 400)] {
        assert_eq!(eve.get(&format!("recording?{query}")).await.0, status, "{query}");
    }
    assert_eq!(Agent { cookie: String::new(), ..eve }.get(&path).await.0, 401);
    purser.stop().await;
}

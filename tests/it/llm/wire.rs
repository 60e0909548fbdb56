//! What servers of models send, good and bad; and what goes to them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use purser::responders::llm::Key;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::server::{Act, Model, calls, delta, ending, head, piece, response, says};
use super::{NUMBER, Site, by, turn};
use crate::harness::{until, within};

const QUESTION: &str = "is delivery possible on saturdays for my parcels";
const ANSWER: &str = "[1] Yes, on Saturdays too, for £3.49 more.";
const GIVEN: &str = "Yes, on Saturdays too, for £3.49 more.";

#[tokio::test]
async fn an_answer_is_understood_however_it_is_sent() {
    let whole = json!({ "choices": [{ "message": { "content": ANSWER }, "finish_reason": "stop" }] }).to_string();
    let crlf = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text").replace('\n', "\r\n").into_bytes();
    let stream = |parts: Vec<Vec<u8>>| vec![Act::Send([vec![head()], parts].concat().concat())];
    let by_bytes = |bytes: Vec<u8>| bytes.into_iter().map(|byte| Act::Send(vec![byte])).collect::<Vec<_>>();
    let finish = piece(&json!({ "choices": [{ "delta": {}, "finish_reason": "stop" }] }));
    let usage_first = piece(&json!({ "choices": [], "usage": { "prompt_tokens": 9, "completion_tokens": 9 } }));
    let parts = json!({ "choices": [{ "delta": { "content": [{ "type": "text", "text": ANSWER }] } }] });
    let chunked = {
        let body = [delta(ANSWER), ending()].concat();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let size = format!("{:x}\r\n", body.len());
        vec![Act::Send([head.as_bytes(), size.as_bytes(), &body, b"\r\n0\r\n\r\n"].concat())]
    };
    for (what, acts) in [
        ("in small pieces", says(ANSWER)),
        ("byte by byte", by_bytes([head(), delta(ANSWER), ending()].concat())),
        ("in one", stream(vec![delta(ANSWER), ending()])),
        ("with CRLF", vec![Act::Send(head()), Act::Send(crlf([delta(ANSWER), ending()].concat()))]),
        (
            "with comments",
            stream(vec![b": ping\n\n".to_vec(), delta(ANSWER), b"event: x\nid: 1\n: x\n\n".to_vec(), ending()]),
        ),
        ("without [DONE]", stream(vec![delta(ANSWER), finish.clone()])),
        ("with usage first", stream(vec![usage_first, delta(ANSWER), ending()])),
        (
            "with a role and a null",
            stream(vec![
                piece(&json!({ "choices": [{ "delta": { "role": "assistant", "content": null } }] })),
                delta(ANSWER),
                ending(),
            ]),
        ),
        ("in parts", stream(vec![piece(&parts), finish])),
        ("chunked", chunked),
        ("whole though a stream was wanted", response(200, "application/json", &whole)),
    ] {
        let model = Model::saying(acts).await;
        let (answered, draft) = Site::new(&model, |_| ()).ask(QUESTION).await;
        assert_eq!(by(&answered), "llm", "{what}");
        assert!(answered.message.text.starts_with(GIVEN), "{what}: {}", answered.message.text);
        assert_eq!(draft, GIVEN, "{what}");
    }
    let model = Model::saying(response(200, "application/json", &whole)).await;
    let (answered, _) = Site::new(&model, |settings| settings.stream = false).ask(QUESTION).await;
    assert_eq!(by(&answered), "llm");
    assert_eq!(model.asked()[0]["stream"], false);
}

#[tokio::test]
async fn a_call_of_a_tool_is_understood_however_it_is_sent() {
    let arguments = json!({ "number": NUMBER }).to_string();
    let finish = || piece(&json!({ "choices": [{ "delta": {}, "finish_reason": "tool_calls" }] }));
    let call = |call: Value| piece(&json!({ "choices": [{ "delta": { "tool_calls": [call] } }] }));
    let stream = |parts: Vec<Vec<u8>>| vec![Act::Send([vec![head()], parts].concat().concat())];
    let (first, second) = arguments.split_at(7);
    for (what, acts) in [
        ("with index", calls(&[("track", &arguments)])),
        (
            "without index",
            stream(vec![
                call(json!({ "id": "a", "function": { "name": "track", "arguments": first } })),
                call(json!({ "function": { "arguments": second } })),
                finish(),
            ]),
        ),
        ("without index and id", stream(vec![call(json!({ "function": { "name": "track", "arguments": arguments } })), finish()])),
        ("as an object", stream(vec![call(json!({ "id": "a", "function": { "name": "track", "arguments": { "number": NUMBER } } })), finish()])),
        ("ending with stop", stream(vec![call(json!({ "index": 0, "function": { "name": "track", "arguments": arguments } })), ending()])),
        (
            "whole",
            response(
                200,
                "application/json",
                &json!({ "choices": [{ "message": { "content": null, "tool_calls": [{ "id": "a", "type": "function", "function": { "name": "track", "arguments": arguments } }] }, "finish_reason": "tool_calls" }] }).to_string(),
            ),
        ),
    ] {
        let model = Model::start(move |_, number| match number {
            0 => acts.clone(),
            _ => says("[3] It is out for delivery and expected on 27 November."),
        })
        .await;
        let site = Site::new(&model, |_| ());
        let (answered, draft) = site.ask("where did my parcels go").await;
        assert_eq!(by(&answered), "llm", "{what}");
        assert_eq!(draft, "It is out for delivery and expected on 27 November.", "{what}");
        let effects = &answered.message.effects;
        let sources: Vec<&str> = effects.lookups.iter().map(|found| found.source.as_str()).collect();
        assert_eq!(sources, ["llm", "shipment", "llm"], "{what}");
        assert_eq!(effects.sources, ["track"], "{what}");
        assert_eq!(effects.attributes, [("tracking_number".to_owned(), Some(NUMBER.to_owned()))], "{what}");
        let usage = effects.usage.as_ref().expect("usage");
        assert_eq!((usage.calls, usage.model.as_str()), (2, "scripted"), "{what}");
        // The second time the model has what the tool said, apart from everything else.
        let asked = model.asked();
        let messages = asked[1]["messages"].as_array().expect("messages");
        let result = messages.last().expect("a result");
        assert_eq!(result["role"], "tool", "{what}");
        assert!(result["content"].as_str().is_some_and(|text| text.contains("out for delivery")), "{what}: {result}");
        assert_eq!(messages[messages.len() - 2]["tool_calls"][0]["id"], result["tool_call_id"], "{what}");
    }
}

#[tokio::test]
async fn whatever_goes_wrong_there_the_pipeline_goes_on() {
    let begun = || [head(), delta("[1] Yes, on "), delta("Saturdays ")].concat();
    let broken_off = {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = delta("[1] Yes");
        [head.as_bytes(), format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat()
    };
    let error = |text: &str| json!({ "error": { "message": text, "type": "server_error" } });
    let secret = "SECRET-OF-THE-PROVIDER";
    for (what, acts, trouble) in [
        ("429", response(429, "application/json", secret), "busy"),
        ("500", response(500, "text/html", secret), "unavailable"),
        ("503", response(503, "text/plain", ""), "unavailable"),
        ("401", response(401, "application/json", secret), "refused"),
        ("404", response(404, "application/json", secret), "refused"),
        ("a page of a proxy", response(200, "text/html", "<h1>Sign in</h1>"), "unavailable"),
        ("307", response(307, "text/plain", ""), "refused"),
        ("no JSON", vec![Act::Send([head(), b"data: {oops\n\n".to_vec()].concat())], "unreadable"),
        ("half a JSON", vec![Act::Send([head(), b"data: {\"choices\":[\n\n".to_vec()].concat())], "unreadable"),
        ("JSON that is none", response(200, "application/json", "{oops"), "unreadable"),
        ("an error in the stream", vec![Act::Send([begun(), piece(&error(secret))].concat())], "unavailable"),
        ("an end in the middle", vec![Act::Send(begun())], "unavailable"),
        ("a break in the middle", vec![Act::Send(broken_off)], "unavailable"),
        ("nothing at all", vec![], "unavailable"),
        ("not HTTP", vec![Act::Send(b"hello\r\n\r\n".to_vec())], "unavailable"),
        ("endless", vec![Act::Send([head(), vec![b'x'; 5 << 20]].concat())], "unreadable"),
    ] {
        let model = Model::saying(acts).await;
        let site = Site::new(&model, |_| ());
        let (turn, draft) = turn(QUESTION);
        let answered = site.pipeline.answer(&turn).await;
        assert_eq!(by(&answered), "pipeline", "{what}");
        assert!(!answered.message.text.contains(secret) && !draft.text().contains(secret), "{what}");
        assert!(draft.withdrawn() > 0, "{what}: the draft is taken away");
        let counts = site.llm.counts();
        assert_eq!(counts.troubles.get_or_create(&[("why", trouble)]).get(), 1, "{what}");
        assert_eq!(answered.trace.last().expect("a trace").said, "failed", "{what}");
    }
}

#[tokio::test]
async fn a_server_that_stalls_is_not_waited_for() {
    let begun = [head(), delta("[1] Yes, on "), b": still here\n\n".to_vec()].concat();
    for (what, acts) in [
        ("before the head", vec![Act::Silence]),
        ("before the first token", vec![Act::Send(head()), Act::Silence]),
        ("in the middle", vec![Act::Send(begun), Act::Silence]),
    ] {
        let model = Model::saying(acts).await;
        let site = Site::new(&model, |settings| settings.first_token = Duration::from_secs(3));
        let (answered, _) = within(what, site.ask(QUESTION)).await;
        assert_eq!(by(&answered), "pipeline", "{what}");
        assert_eq!(site.llm.counts().troubles.get_or_create(&[("why", "timeout")]).get(), 1, "{what}");
        model.was_left().await;
    }
    // However lively it is: there is a limit for all of it.
    let drip = Model::start(|_, _| {
        let word = |_| [Act::Send(delta("word ")), Act::Gate(Arc::new(Semaphore::new(0)))];
        [vec![Act::Send([head(), delta("[1] ")].concat())], (0..1_000).flat_map(word).collect()].concat()
    })
    .await;
    let site = Site::new(&drip, |settings| settings.time = Duration::from_secs(3));
    assert_eq!(by(&within("the limit", site.ask(QUESTION)).await.0), "pipeline");
    drip.was_left().await;
}

#[tokio::test]
async fn a_server_that_fails_again_and_again_is_left_alone() {
    let model = Model::saying(response(500, "text/plain", "")).await;
    let site = Site::new(&model, |_| ());
    let began = Instant::now();
    for _ in 0..8 {
        assert_eq!(by(&site.ask(QUESTION).await.0), "pipeline");
    }
    let asked = model.asked().len();
    // On a machine that takes longer than the rest, it is tried again.
    assert!(asked == 5 || began.elapsed() > Duration::from_secs(2), "after five failures it rests: {asked}");
    let resting = site.llm.counts().questions.get_or_create(&[("outcome", "resting")]).get();
    assert_eq!(resting, 8 - asked as u64);

    // One that refuses single questions is there for the next.
    let model = Model::start(|_, number| match number {
        0..8 => response(400, "application/json", "{\"error\":{\"code\":\"content_filter\"}}"),
        _ => says(ANSWER),
    })
    .await;
    let site = Site::new(&model, |_| ());
    for _ in 0..8 {
        assert_eq!(by(&site.ask(QUESTION).await.0), "pipeline");
    }
    assert_eq!(by(&site.ask(QUESTION).await.0), "llm");
}

#[tokio::test]
async fn a_server_that_says_for_how_long_is_left_alone_for_so_long() {
    let busy = |status: u16, wait: &str| {
        let head =
            format!("HTTP/1.1 {status} X\r\nRetry-After: {wait}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        vec![Act::Send(head.into_bytes())]
    };
    for (status, wait, rests) in [
        (429, "3600", true),
        (503, "30", true),
        (429, "0", false),
        (429, "-1", false),
        (429, "soon", false),
        (503, "99999999999999999999999", false),
    ] {
        let model = Model::saying(busy(status, wait)).await;
        let site = Site::new(&model, |_| ());
        for _ in 0..3 {
            assert_eq!(by(&site.ask(QUESTION).await.0), "pipeline");
        }
        assert_eq!(model.asked().len() == 1, rests, "{status} {wait}");
    }
    // It says a second: after that it is asked again.
    let model = Model::start(move |_, number| if number == 0 { busy(429, "1") } else { says(ANSWER) }).await;
    let site = Site::new(&model, |_| ());
    site.ask(QUESTION).await;
    until("an answer", async || (by(&site.ask(QUESTION).await.0) == "llm").then_some(())).await;
    assert_eq!(model.asked().len(), 2);
}

#[tokio::test]
async fn whoever_nobody_waits_for_is_not_asked_any_more() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let model = Model::start(move |_, _| {
        vec![Act::Send([head(), delta("[1] Yes, on ")].concat()), Act::Gate(held.clone()), Act::Send(ending())]
    })
    .await;
    let site = Site::new(&model, |settings| settings.visitor_tokens = 1_000);
    let (turn, draft) = turn(QUESTION);
    let mut answer = Box::pin(site.pipeline.answer(&turn));
    within("a draft", async {
        while draft.text().is_empty() {
            tokio::select! {
                _ = &mut answer => panic!("it is not complete"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
        }
    })
    .await;
    drop(answer);
    model.was_left().await;
    assert_eq!(draft.text(), "Yes, on");
}

#[tokio::test]
async fn tokens_and_places_are_bounded() {
    let usage = piece(&json!({ "choices": [], "usage": { "prompt_tokens": 900, "completion_tokens": 200 } }));
    let answer = [head(), delta(ANSWER), usage, ending()].concat();
    let model = Model::saying(vec![Act::Send(answer)]).await;
    let site = Site::new(&model, |settings| settings.visitor_tokens = 100);
    assert_eq!(by(&site.ask(QUESTION).await.0), "llm");
    assert_eq!(by(&site.ask(QUESTION).await.0), "pipeline", "the visitor has spent their tokens");
    assert_eq!((model.asked().len(), site.llm.counts().questions.get_or_create(&[("outcome", "spent")]).get()), (1, 1));
    let site = Site::new(&model, |settings| settings.day_tokens = 100);
    assert_eq!(by(&site.ask(QUESTION).await.0), "llm");
    assert_eq!(by(&site.ask(QUESTION).await.0), "pipeline", "all have");

    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let model =
        Model::start(move |_, _| vec![Act::Gate(held.clone()), Act::Send([head(), delta(ANSWER), ending()].concat())])
            .await;
    let site = Site::new(&model, |settings| {
        (settings.calls, settings.waiting) = (1, 0);
    });
    let ((first, _), second) = tokio::join!(site.ask(QUESTION), async {
        // The first has the only place once the server has heard of it.
        within("a request", async {
            while model.asked().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        let (second, _) = site.ask(QUESTION).await;
        gate.add_permits(1);
        second
    });
    assert_eq!((by(&first), by(&second)), ("llm", "pipeline"));
    assert_eq!(site.llm.counts().questions.get_or_create(&[("outcome", "busy")]).get(), 1);
}

#[tokio::test]
async fn just_this_is_sent() {
    let model = Model::saying(says("[1] We write to EMAIL-1.")).await;
    let site = Site::new(&model, |settings| {
        settings.key = Some(Key::new("sesame"));
        settings.visitor = vec!["name".to_owned()];
    });
    let (mut turn, draft) = turn("what about saturdays, I am anna@example.org, call +44 20 7946 0999");
    let known = [("name", "Anna"), ("address", "1 Hidden Street")];
    turn.visitor = Arc::new(known.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let answered = site.pipeline.answer(&turn).await;
    assert_eq!((by(&answered), draft.text().as_str()), ("llm", "We write to anna@example.org."));
    let (asked, heads) = (model.asked(), model.heads());
    assert!(heads[0].starts_with("POST /v1/chat/completions HTTP/1.1"), "{}", heads[0]);
    assert!(heads[0].to_lowercase().contains("authorization: bearer sesame"), "{}", heads[0]);
    let body = asked[0].to_string();
    for hidden in ["anna@example.org", "7946 0999", "Hidden Street"] {
        assert!(!body.contains(hidden), "{hidden} is in {body}");
    }
    let messages = asked[0]["messages"].as_array().expect("messages");
    let rules = messages[0]["content"].as_str().expect("a text");
    for told in [
        "Halyard, which sends parcels",
        "Source 1:",
        "On Saturdays we deliver",
        "name: Anna",
        "Wednesday, 2026-11-25",
        "hand_over",
    ] {
        assert!(rules.contains(told), "{told} is not in {rules}");
    }
    assert_eq!(messages.last().expect("a question")["content"], "what about saturdays, I am EMAIL-1, call PHONE-2");
    let tools: Vec<&str> = asked[0]["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .filter_map(|tool| tool["function"]["name"].as_str())
        .collect();
    assert_eq!(tools, ["track", "hand_over"]);
    assert_eq!((&asked[0]["model"], &asked[0]["max_tokens"]), (&json!("scripted"), &json!(500)));

    // What none of the content has a word for goes to nobody.
    let (answered, _) = site.ask("quantum bicycles sing loudly").await;
    assert_eq!((by(&answered), model.asked().len()), ("pipeline", 1));
    assert_eq!(site.llm.counts().questions.get_or_create(&[("outcome", "foreign")]).get(), 1);
}

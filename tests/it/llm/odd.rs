//! What a client of such servers seldom sees, and should not stumble over: thoughts, refusals, answers without an end or in
//! another form, and connections that are to be used again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::server::{Act, Model, delta, ending, head, piece, response, says};
use super::{Site, by};
use crate::harness::{until, within};

const QUESTION: &str = "is delivery possible on saturdays for my parcels";
const ANSWER: &str = "[1] Yes, on Saturdays too, for £3.49 more.";
const GIVEN: &str = "Yes, on Saturdays too, for £3.49 more.";
/// Nobody may read it.
const THOUGHT: &str = "The rules [1] say that I must not promise £9.99.\n";

fn part(delta: Value) -> Vec<u8> {
    piece(&json!({ "choices": [{ "index": 0, "delta": delta }] }))
}

#[tokio::test]
async fn what_a_model_thinks_is_neither_shown_nor_part_of_its_answer() {
    let whole = |message: Value| {
        let body = json!({ "choices": [{ "message": message, "finish_reason": "stop" }] });
        response(200, "application/json", &body.to_string())
    };
    let told_apart = |field: &str| {
        let thought = part(json!({ "role": "assistant", "content": null, field: THOUGHT }));
        vec![Act::Send([head(), thought, delta(ANSWER), ending()].concat())]
    };
    for (what, acts) in [
        ("in a field of its own", told_apart("reasoning_content")),
        ("in another one", told_apart("reasoning")),
        ("between marks", says(&format!("<think>\n{THOUGHT}</think>\n\n{ANSWER}"))),
        ("between others", says(&format!("[THINK]{THOUGHT}[/THINK]{ANSWER}"))),
        ("before the mark of its end", says(&format!("{THOUGHT}</think>\n\n{ANSWER}"))),
        ("whole", whole(json!({ "content": format!("<think>{THOUGHT}</think>{ANSWER}") }))),
        ("whole and told apart", whole(json!({ "content": ANSWER, "reasoning_content": THOUGHT }))),
        (
            "in parts",
            whole(json!({ "content": [
                { "type": "thinking", "thinking": [{ "type": "text", "text": THOUGHT }] },
                { "type": "text", "text": ANSWER },
            ] })),
        ),
    ] {
        let model = Model::saying(acts).await;
        let (answered, draft) = Site::new(&model, |_| ()).ask(QUESTION).await;
        assert_eq!(by(&answered), "llm", "{what}");
        assert!(answered.message.text.starts_with(GIVEN), "{what}: {}", answered.message.text);
        assert_eq!(draft, GIVEN, "{what}");
    }
    // Of thoughts that come to no end nothing is left.
    for thoughts in [format!("<think>{THOUGHT}"), format!("{THOUGHT}</think>")] {
        let model = Model::saying(says(&thoughts)).await;
        let (answered, draft) = Site::new(&model, |_| ()).ask(QUESTION).await;
        assert_eq!((by(&answered), draft.as_str()), ("pipeline", ""), "{thoughts}");
    }
}

#[tokio::test]
async fn whoever_only_keeps_the_line_open_is_not_waited_for() {
    let gate = Arc::new(Semaphore::new(0));
    let comment = [Act::Gate(gate.clone()), Act::Send(b": still here\n\n".to_vec())];
    let begun = vec![Act::Send([head(), delta("[1] Yes, we ")].concat())];
    let end = vec![Act::Send([delta("do."), ending()].concat())];
    let model = Model::saying([begun, vec![comment; 20].concat(), end].concat()).await;
    let site = Site::new(&model, |settings| settings.first_token = Duration::from_secs(2));
    let mut answer = Box::pin(site.ask(QUESTION));
    // A comment every second would keep it for twenty.
    let (answered, _) = loop {
        tokio::select! {
            answered = &mut answer => break answered,
            () = tokio::time::sleep(Duration::from_secs(1)) => gate.add_permits(1),
        }
    };
    assert_eq!(by(&answered), "pipeline");
    assert_eq!(site.llm.counts().troubles.get_or_create(&[("why", "timeout")]).get(), 1);
}

#[tokio::test]
async fn an_answer_that_is_there_is_given_whatever_becomes_of_the_rest() {
    let finished = || [head(), delta(ANSWER), piece(&json!({ "choices": [{ "finish_reason": "stop" }] }))].concat();
    let chunked = {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let body = [delta(ANSWER), piece(&json!({ "choices": [{ "finish_reason": "stop" }] }))].concat();
        [head.as_bytes(), format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat()
    };
    let whole = json!({ "choices": [{ "message": { "content": ANSWER } }] }).to_string();
    for (what, acts) in [
        ("silence", vec![Act::Send(finished()), Act::Silence]),
        ("a break", vec![Act::Send(chunked)]),
        ("JSON that is called something else", response(200, "text/plain", &whole)),
        ("JSON that is called a stream", response(200, "text/event-stream", &format!("\r\n{whole}"))),
    ] {
        let model = Model::saying(acts).await;
        let (answered, _) = within(what, Site::new(&model, |_| ()).ask(QUESTION)).await;
        assert_eq!(by(&answered), "llm", "{what}");
    }
    // What is not streamed takes as long as all of it.
    let gate = Arc::new(Semaphore::new(0));
    let late = [vec![Act::Gate(gate.clone())], response(200, "application/json", &whole)].concat();
    let model = Model::saying(late).await;
    let site = Site::new(&model, |settings| {
        (settings.stream, settings.first_token) = (false, Duration::from_secs(1));
    });
    let opens = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        gate.add_permits(1);
    };
    let ((answered, _), ()) = tokio::join!(site.ask(QUESTION), opens);
    assert_eq!(by(&answered), "llm");
}

#[tokio::test]
async fn what_is_no_answer_is_told_apart() {
    let stream = |body: Vec<u8>| vec![Act::Send([head(), body].concat())];
    let refused = [part(json!({ "content": null, "refusal": "I cannot" })), ending()].concat();
    let failed = piece(&json!({ "choices": [{ "delta": {}, "finish_reason": "error" }] }));
    let old = piece(&json!({ "object": "error", "message": "too long", "code": 400 }));
    for (what, acts, outcome, trouble) in [
        ("a refusal", stream(refused), "declined", None),
        ("an error as its end", stream(failed), "failed", Some("unavailable")),
        (
            "an error of another form",
            stream([old, b"data: [DONE]\n\n".to_vec()].concat()),
            "failed",
            Some("unreadable"),
        ),
        ("an end alone", stream(b"data: [DONE]\n\n".to_vec()), "failed", Some("unreadable")),
        ("an error with a 200", response(200, "application/json", r#"{"error":"no"}"#), "failed", Some("unavailable")),
        ("something else", response(200, "application/json", r#"{"detail":"no"}"#), "failed", Some("unreadable")),
    ] {
        let model = Model::saying(acts).await;
        let site = Site::new(&model, |_| ());
        assert_eq!(by(&site.ask(QUESTION).await.0), "pipeline", "{what}");
        let counts = site.llm.counts();
        assert_eq!(counts.questions.get_or_create(&[("outcome", outcome)]).get(), 1, "{what}");
        if let Some(trouble) = trouble {
            assert_eq!(counts.troubles.get_or_create(&[("why", trouble)]).get(), 1, "{what}");
        }
    }
}

#[tokio::test]
async fn a_time_to_come_back_at_is_read_by_the_servers_own_clock() {
    let now = "Date: Wed, 21 Oct 2015 07:28:00 GMT\r\n";
    for (date, until, rests) in [
        (now, "Wed, 21 Oct 2015 08:28:00 GMT", true),
        (now, "Wed, 21 Oct 2015 07:28:00 GMT", false),
        (now, "Wed, 21 Oct 2015 06:28:00 GMT", false),
        ("", "Wed, 21 Oct 2015 08:28:00 GMT", false),
    ] {
        let head =
            format!("HTTP/1.1 429 X\r\n{date}Retry-After: {until}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let model = Model::saying(vec![Act::Send(head.into_bytes())]).await;
        let site = Site::new(&model, |_| ());
        for _ in 0..3 {
            assert_eq!(by(&site.ask(QUESTION).await.0), "pipeline");
        }
        assert_eq!(model.asked().len() == 1, rests, "{date}{until}");
    }
}

/// Answers one question after the other on a connection. That a stream is over comes in a piece of its own.
async fn keep(stream: TcpStream, asked: Arc<AtomicUsize>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let length =
            head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        stream.read_exact(&mut vec![0; length.expect("a length")]).await?;
        asked.fetch_add(1, Ordering::SeqCst);
        let body = [delta(ANSWER), ending()].concat();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(format!("{head}{:x}\r\n", body.len()).as_bytes()).await?;
        stream.write_all(&[&body[..], b"\r\n"].concat()).await?;
        stream.flush().await?;
        // The client has read [DONE] by then.
        tokio::time::sleep(Duration::from_millis(20)).await;
        stream.write_all(b"0\r\n\r\n").await?;
    }
}

#[tokio::test]
async fn a_connection_takes_the_next_question_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
    let (connections, asked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (made, heard) = (connections.clone(), asked.clone());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            made.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(keep(stream, heard.clone()));
        }
    });
    let site = Site::at(&url, |_| ());
    until("a connection to be used again", async || {
        assert_eq!(by(&site.ask(QUESTION).await.0), "llm");
        (asked.load(Ordering::SeqCst) > connections.load(Ordering::SeqCst)).then_some(())
    })
    .await;
}

//! Actions against a shop that may be down, slow, cut off or asked twice: whatever happens, it does them once.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use purser::clock::Clock;
use purser::config::{Config, Flags, Outside};
use purser::conversation::{ConversationId, Errand, Event, Kind, Outcome};
use purser::recording::Recording;
use purser::store::{Role, Tray};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::agents::Agent;
use crate::cli::{Served, Site};
use crate::harness::{Setup, TestDatabase, TestPurser, Typed, Visitor, until};
use crate::on_both_engines;

on_both_engines! {
    what_was_agreed_to_is_done_once_and_told;
    a_refusal_is_told_and_final;
    a_shop_that_is_down_is_asked_again_under_the_same_key;
    what_takes_too_long_is_given_up_and_told;
    an_outcome_is_told_while_an_agent_has_the_chat;
    a_no_and_an_old_button_do_nothing;
    a_typed_yes_counts_right_below_the_question_only;
    what_was_deleted_is_not_done;
    a_node_that_stops_leaves_the_errand_to_the_next;
}

/// A shop: it does what it is told once for each key, and answers however a test wants.
struct Shop {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// What it did, by key.
    done: Arc<Mutex<BTreeMap<String, Value>>>,
}

#[derive(Debug, Clone)]
struct Heard {
    key: String,
    head: String,
    body: Value,
}

/// What becomes of a request.
#[derive(Clone)]
enum Says {
    Done,
    /// Nothing is done.
    Status(u16),
    /// It is done, and nobody hears of it.
    Cut,
    /// It is done, and nothing is said for as long as the client waits.
    Silence,
    /// A redirect with this status and address.
    Elsewhere(u16, String),
}

impl Shop {
    /// A shop that answers its requests by their number, from 0.
    async fn start(says: impl Fn(usize) -> Says + Send + Sync + 'static) -> Shop {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shop = Shop { address, heard: Arc::default(), done: Arc::default() };
        let (heard, done, says) = (shop.heard.clone(), shop.done.clone(), Arc::new(says));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (heard, done, says) = (heard.clone(), done.clone(), says.clone());
                // A client that goes away is nothing to fail for.
                tokio::spawn(async move { serve(stream, &heard, &done, &*says).await });
            }
        });
        shop
    }

    fn heard(&self) -> Vec<Heard> {
        self.heard.lock().expect("no panic").clone()
    }

    /// What it did: each errand once.
    fn did(&self) -> Vec<Value> {
        self.done.lock().expect("no panic").values().cloned().collect()
    }

    /// Waits until it was asked so often.
    async fn was_asked(&self, times: usize) {
        until("a request", async || (self.heard().len() >= times).then_some(())).await;
    }

    /// The configuration's action, with further keys.
    fn action(&self, more: &str) -> Outside {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("purser.yaml");
        std::fs::write(&file, self.yaml(more)).expect("a file");
        Config::load(Some(&file), [("TOKEN".to_owned(), "sesame".to_owned())], &Flags::default())
            .expect("it is right")
            .outside
    }

    fn yaml(&self, more: &str) -> String {
        let at = self.address;
        format!(
            "actions:\n  redeliver:\n    post: http://{at}/parcels/{{number}}/redelivery\n    private: [127.0.0.1]\n    \
             headers: {{ Authorization: \"Bearer ${{TOKEN}}\" }}\n    {more}\n"
        )
    }
}

async fn serve(
    stream: TcpStream,
    heard: &Mutex<Vec<Heard>>,
    done: &Mutex<BTreeMap<String, Value>>,
    says: &(impl Fn(usize) -> Says + Send + Sync),
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await? == 0 {
                return Ok(());
            }
        }
        let field = |name: &str| {
            let mut fields = head.lines().filter_map(|line| line.split_once(": "));
            fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let length = field("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let key = field("idempotency-key").unwrap_or_default();
        let number = {
            let mut heard = heard.lock().expect("no panic");
            heard.push(Heard { key: key.clone(), head: head.clone(), body: body.clone() });
            heard.len() - 1
        };
        let says = says(number);
        if matches!(says, Says::Done | Says::Cut | Says::Silence) {
            done.lock().expect("no panic").entry(key).or_insert(body.clone());
        }
        let (status, header, answer) = match says {
            Says::Done => (200, String::new(), json!({ "day": body["day"], "secret": "x" }).to_string()),
            Says::Status(status) => (status, String::new(), "a stack trace".to_owned()),
            Says::Cut => return Ok(()),
            Says::Silence => std::future::pending().await,
            Says::Elsewhere(status, to) => (status, format!("Location: {to}\r\n"), String::new()),
        };
        let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n{header}\r\n", answer.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(answer.as_bytes()).await?;
    }
}

const FAQ: &str =
    "language: en\nentries:\n  - { id: hours, match: exact, phrases: [opening hours], answer: Nine to five. }\n";
const MANIFEST: &str = "api: 1\nabout: a test\nactions: [redeliver]\n";
const SCRIPT: &str = r#"
fn answer(turn) {
    for day in ["friday", "saturday"] {
        if turn.words.contains(day) && turn.actions.contains("redeliver") {
            return act("redeliver", #{ number: "PX 1", day: day }, `Deliver it on ${day}?`)
                .expecting(#{ day: day })
                .agree_button(if day == "friday" { "Yes, on friday" } else { "👍" })
                .when_done("It comes on **{day}**{secret}.")
                .when_refused("The driver does not go there.")
                .when_unknown("Nobody could say.");
        }
    }
    if turn.state != () { return reply("It was to be " + turn.state.day); }
    pass()
}
"#;
const TESTS: &str = r#"
tests:
  - conversation:
      - say: friday
        answer: { outcome: ask, text: "Deliver it on friday?", buttons: ["Yes, on friday", "No, leave it"] }
      - press: Yes, on friday
        answer: { outcome: answer, responder: redeliver, contains: passing that on, buttons: [] }
      - say: "yes"
        answer: { outcome: pass }
      - errand: done
        fields: { day: friday, secret: "*" }
        answer: { text: "It comes on **friday**\\*.", buttons: [], language: en }
      - say: opening hours
        answer: { entry: hours }
  - conversation:
      - say: saturday
      - press: 👍
      - joined: Kim
      - errand: refused
        answer: { text: The driver does not go there., buttons: [Talk to a person] }
  - conversation:
      - say: saturday
        answer: { outcome: ask, buttons: ["👍", "No, leave it"] }
      # A sign is not the same as another.
      - say: "???"
        answer: { outcome: answer, text: It was to be saturday }
"#;

fn folder() -> Arc<tempfile::TempDir> {
    let folder = tempfile::tempdir().expect("a folder");
    for (path, text) in [
        ("faq/a.yaml", FAQ),
        ("plugins/redeliver/plugin.yaml", MANIFEST),
        ("plugins/redeliver/main.rhai", SCRIPT),
        ("plugins/redeliver/tests.yaml", TESTS),
    ] {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    Arc::new(folder)
}

/// A purser whose plugin may have this shop redeliver.
async fn purser(database: &TestDatabase, clock: &Clock, outside: &Outside) -> TestPurser {
    let outside = outside.clone();
    Setup::on(database).clock(clock).change(|config| config.outside = outside).start_in(folder()).await
}

fn day(n: i64) -> Clock {
    Clock::set(1_772_442_000_000 + n * 86_400_000)
}

fn pass(clock: &Clock, millis: i64) {
    if let Clock::Set(at) = clock {
        at.fetch_add(millis, Ordering::SeqCst);
    }
}

/// Asks for a redelivery, and gives the choices that agree and decline.
async fn propose(customer: &mut Typed, client_id: &str, day: &str) -> (String, String) {
    let (_, proposed) = customer.ask(client_id, day).await;
    assert_eq!(proposed["text"], format!("Deliver it on {day}?"), "{proposed}");
    let choice = |at: usize| proposed["buttons"][at]["choice"].as_str().expect("a choice").to_owned();
    (choice(0), choice(1))
}

/// Presses a button, and gives the text of the answer.
async fn press(customer: &mut Typed, client_id: &str, choice: &str) -> String {
    customer.send(json!({ "type": "say", "client_id": client_id, "text": "Yes", "choice": choice })).await;
    let ack = customer.hear_where("an ack", |frame| frame["type"] == "ack" && frame["client_id"] == client_id).await;
    let seq = ack["seq"].clone();
    let answer = customer.hear_where("the answer", |frame| frame["author"] == "bot" && frame["question"] == seq).await;
    answer["text"].as_str().expect("a text").to_owned()
}

/// What the customer is told of the outcome.
async fn told(customer: &mut Typed) -> Value {
    let is_it = |frame: &Value| {
        frame["type"] == "event"
            && frame["author"] == "bot"
            && frame["kind"] == "message"
            && frame["question"].is_null()
    };
    customer.hear_where("the outcome", is_it).await
}

async fn log_of(purser: &TestPurser, visitor: &Visitor) -> Vec<Arc<Event>> {
    purser.store.events_after(ConversationId(visitor.conversation), 0, 100).await.expect("a log")
}

/// What the log says of errands: how many were ordered, and the outcomes.
fn errands(log: &[Arc<Event>]) -> (usize, Vec<Outcome>) {
    let errands =
        log.iter().filter(|event| event.kind == Kind::Errand).filter_map(|event| event.meta.errand.as_deref());
    let (ordered, settled): (Vec<_>, Vec<_>) = errands.partition(|errand| matches!(errand, Errand::Ordered(_)));
    let outcome = |errand: &Errand| match errand {
        Errand::Settled(settled) => settled.outcome,
        Errand::Ordered(_) => unreachable!("these are the others"),
    };
    (ordered.len(), settled.into_iter().map(outcome).collect())
}

async fn nothing_waits(purser: &TestPurser) {
    until("an empty outbox", async || {
        purser.store.due_in(Tray::Errands, i64::MAX, 9).await.expect("rows").is_empty().then_some(())
    })
    .await;
}

async fn what_was_agreed_to_is_done_once_and_told(database: &TestDatabase) {
    let shop = Shop::start(|_| Says::Done).await;
    let purser = purser(database, &Clock::System, &shop.action("fields: { day: day }")).await;
    let visitor = Visitor::new();
    let (mut tab, mut other) = (purser.visit(&visitor, 0).await, purser.visit(&visitor, 0).await);
    let (agree, _) = propose(&mut tab, "1", "friday").await;
    assert!(shop.heard().is_empty(), "nothing is done before the customer agrees");
    // Both tabs at once, and each once more.
    let (one, two) = tokio::join!(press(&mut tab, "2", &agree), press(&mut other, "3", &agree));
    let passed_on = [&one, &two].into_iter().filter(|text| text.contains("passing that on")).count();
    assert_eq!(passed_on, 1, "{one} | {two}");
    assert!(press(&mut other, "4", &agree).await.contains("no longer open"));
    let outcome = told(&mut tab).await;
    assert_eq!((&outcome["text"], &outcome["language"]), (&json!("It comes on **friday**."), &json!("en")));
    assert_eq!(told(&mut other).await["seq"], outcome["seq"]);
    let heard = shop.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let head = heard[0].head.to_lowercase();
    assert!(head.starts_with("post /parcels/px%201/redelivery http/1.1"), "{head}");
    assert!(head.contains("authorization: bearer sesame") && head.contains("content-type: application/json"), "{head}");
    assert_eq!(heard[0].body, json!({ "day": "friday" }), "what stands in the address is not in the body");
    nothing_waits(&purser).await;
    let log = log_of(&purser, &visitor).await;
    assert_eq!(errands(&log), (1, vec![Outcome::Done]));
    // The key is the message that led to the proposal.
    assert_eq!(heard[0].key, log[0].id.to_string());
    // What the log keeps of it is not for the customer's client.
    let mut again = purser.visit(&visitor, 0).await;
    let history = again.hear("history").await;
    assert!(history["events"].as_array().unwrap().iter().all(|event| event["kind"] == "message"), "{history}");
    purser.stop().await;
}

async fn a_refusal_is_told_and_final(database: &TestDatabase) {
    let shop = Shop::start(|_| Says::Status(422)).await;
    let purser = purser(database, &Clock::System, &shop.action("")).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    let (agree, _) = propose(&mut customer, "1", "friday").await;
    press(&mut customer, "2", &agree).await;
    let outcome = told(&mut customer).await;
    assert_eq!(outcome["text"], "The driver does not go there.");
    assert_eq!(outcome["buttons"][0]["choice"], "person", "{outcome}");
    nothing_waits(&purser).await;
    assert_eq!(errands(&log_of(&purser, &visitor).await), (1, vec![Outcome::Refused]));
    assert_eq!(shop.heard().len(), 1);
    purser.stop().await;
}

async fn a_shop_that_is_down_is_asked_again_under_the_same_key(database: &TestDatabase) {
    let nowhere = Shop::start(|_| Says::Done).await;
    let elsewhere = format!("http://{}/", nowhere.address);
    let shop = Shop::start(move |number| match number {
        0 => Says::Status(500),
        1 => Says::Cut,
        2 => Says::Silence,
        3 => Says::Status(429),
        4 => Says::Status(401),
        // These would become a GET, and a GET does nothing.
        5 => Says::Elsewhere(302, "/done".to_owned()),
        6 => Says::Elsewhere(307, elsewhere.clone()),
        7 => Says::Elsewhere(307, "/parcels/moved/redelivery".to_owned()),
        _ => Says::Done,
    })
    .await;
    let clock = day(0);
    let purser = purser(database, &clock, &shop.action("seconds: 0.3\n    minutes: 10080")).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    let (agree, _) = propose(&mut customer, "1", "friday").await;
    press(&mut customer, "2", &agree).await;
    for attempt in 1..=8 {
        shop.was_asked(attempt).await;
        // It is put off by half of its age once the attempt has failed; until then nobody else takes it.
        until("a pause", async || {
            let due = purser.store.due_in(Tray::Errands, i64::MAX, 9).await.expect("rows");
            let waits = due.first().is_none_or(|due| due.due_at > clock.now() && shop.heard().len() >= attempt);
            if waits {
                pass(&clock, 10_000);
            }
            (shop.heard().len() > attempt || due.is_empty()).then_some(())
        })
        .await;
    }
    assert_eq!(told(&mut customer).await["text"], "It comes on **friday**x.");
    nothing_waits(&purser).await;
    let heard = shop.heard();
    assert!(heard.iter().all(|request| request.key == heard[0].key && request.body == heard[0].body), "{heard:?}");
    assert!(heard.iter().all(|request| request.head.starts_with("POST ")), "{heard:?}");
    assert_eq!(shop.did().len(), 1);
    assert!(nowhere.heard().is_empty(), "another host gets nothing");
    assert_eq!(errands(&log_of(&purser, &visitor).await), (1, vec![Outcome::Done]));
    purser.stop().await;
}

async fn what_takes_too_long_is_given_up_and_told(database: &TestDatabase) {
    let shop = Shop::start(|_| Says::Status(503)).await;
    let clock = day(0);
    let purser = purser(database, &clock, &shop.action("minutes: 10")).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    let (agree, _) = propose(&mut customer, "1", "friday").await;
    press(&mut customer, "2", &agree).await;
    shop.was_asked(1).await;
    pass(&clock, 11 * 60_000);
    let outcome = told(&mut customer).await;
    assert_eq!(outcome["text"], "Nobody could say.");
    assert_eq!(outcome["buttons"][0]["choice"], "person", "{outcome}");
    nothing_waits(&purser).await;
    assert_eq!(errands(&log_of(&purser, &visitor).await), (1, vec![Outcome::Unknown]));
    purser.stop().await;
}

async fn an_outcome_is_told_while_an_agent_has_the_chat(database: &TestDatabase) {
    // It opens when the agent is there.
    let open = Arc::new(AtomicBool::new(false));
    let is_open = open.clone();
    let shop = Shop::start(move |_| if is_open.load(Ordering::SeqCst) { Says::Done } else { Says::Status(503) }).await;
    let purser = purser(database, &Clock::System, &shop.action("fields: { day: day }")).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    let (agree, _) = propose(&mut customer, "1", "friday").await;
    press(&mut customer, "2", &agree).await;
    shop.was_asked(1).await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    anna.take(&visitor).await;
    let mut console = anna.live(Some(&visitor)).await;
    customer.hear_where("the agent", |frame| frame["kind"] == "joined").await;
    open.store(true, Ordering::SeqCst);
    assert_eq!(told(&mut customer).await["text"], "It comes on **friday**.");
    console.hear("event", |event| event["kind"] == "message" && event["author"] == "bot" && event["seq"] != 3).await;
    nothing_waits(&purser).await;
    assert_eq!(shop.did().len(), 1);
    // She still has it, and purser is silent.
    anna.reply(&visitor, "Is there anything else?").await;
    customer.hear_where("her words", |frame| frame["author"] == "agent" && frame["kind"] == "message").await;
    customer.say("3", "opening hours").await;
    customer.hear_where("an ack", |frame| frame["type"] == "ack" && frame["client_id"] == "3").await;
    let log = log_of(&purser, &visitor).await;
    assert_eq!(errands(&log), (1, vec![Outcome::Done]));
    assert_eq!(&*log.last().expect("events").body, "opening hours", "nobody but her answers");
    let (joined, outcome) = (Kind::Joined, |event: &Arc<Event>| &*event.body == "It comes on **friday**.");
    let place = |is_it: &dyn Fn(&Arc<Event>) -> bool| log.iter().position(is_it).expect("it is there");
    assert!(place(&|event| event.kind == joined) < place(&outcome));
    // As a recording it has both, and replays without the shop and without her.
    let recording = Recording::from_events(&log).to_string();
    assert!(recording.contains("- errand: done\n    fields: {\"day\":\"friday\"}\n"), "{recording}");
    assert!(recording.contains("- agent: Is there anything else?"), "{recording}");
    purser.stop().await;
}

async fn a_no_and_an_old_button_do_nothing(database: &TestDatabase) {
    let shop = Shop::start(|_| Says::Done).await;
    let purser = purser(database, &Clock::System, &shop.action("")).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    let (agree, decline) = propose(&mut customer, "1", "friday").await;
    assert!(press(&mut customer, "2", &decline).await.contains("leave that"));
    assert!(press(&mut customer, "3", &agree).await.contains("no longer open"), "it was declined");
    // Another day in the place of the first: the old button means the old day.
    let (old, _) = propose(&mut customer, "4", "friday").await;
    let (new, _) = propose(&mut customer, "5", "saturday").await;
    assert!(press(&mut customer, "6", &old).await.contains("no longer open"));
    assert!(press(&mut customer, "7", "agree:made-up").await.contains("no longer open"));
    assert!(shop.heard().is_empty());
    assert!(press(&mut customer, "8", &new).await.contains("passing that on"), "the new one is still open");
    assert_eq!(told(&mut customer).await["text"], "It comes on **saturday**x.");
    // Of another customer's proposal a button means nothing.
    let mut stranger = purser.visit(&Visitor::new(), 0).await;
    propose(&mut stranger, "1", "friday").await;
    let (theirs, _) = propose(&mut customer, "9", "friday").await;
    assert!(press(&mut stranger, "2", &theirs).await.contains("no longer open"));
    nothing_waits(&purser).await;
    assert_eq!(shop.did(), [json!({ "day": "saturday" })]);
    purser.stop().await;
}

async fn a_typed_yes_counts_right_below_the_question_only(database: &TestDatabase) {
    let shop = Shop::start(|_| Says::Done).await;
    let purser = purser(database, &Clock::System, &shop.action("")).await;
    let mut customer = purser.visit(&Visitor::new(), 0).await;
    let text = async |customer: &mut Typed, id: &str, said: &str| {
        customer.ask(id, said).await.1["text"].as_str().expect("a text").to_owned()
    };
    // Something else comes to the plugin; nothing is done.
    propose(&mut customer, "1", "friday").await;
    assert_eq!(text(&mut customer, "2", "what does that cost").await, "It was to be friday");
    assert!(!text(&mut customer, "3", "yes").await.contains("passing that on"));
    propose(&mut customer, "4", "friday").await;
    assert!(text(&mut customer, "5", "no.").await.contains("leave that"));
    assert!(shop.heard().is_empty());
    for (id, yes) in [("6", "Yes please!"), ("8", "yes, on friday")] {
        propose(&mut customer, id, "friday").await;
        let said = text(&mut customer, &format!("{id}-yes"), yes).await;
        assert!(said.contains("passing that on"), "{yes}: {said}");
        told(&mut customer).await;
    }
    let visitor = Visitor::new();
    let mut german = purser.typed().await;
    let hello =
        json!({ "type": "hello", "token": visitor.token, "conversation": visitor.conversation, "language": "de" });
    german.send(hello).await;
    propose(&mut german, "1", "friday").await;
    assert!(text(&mut german, "2", "Ja, bitte").await.contains("gebe das weiter"));
    told(&mut german).await;
    assert_eq!(shop.did().len(), 3);
    purser.stop().await;
}

async fn what_was_deleted_is_not_done(database: &TestDatabase) {
    let shop = Shop::start(|number| if number == 0 { Says::Status(503) } else { Says::Done }).await;
    let clock = day(0);
    let purser = purser(database, &clock, &shop.action("")).await;
    let visitor = Visitor::new();
    let mut customer = purser.visit(&visitor, 0).await;
    let (agree, _) = propose(&mut customer, "1", "friday").await;
    press(&mut customer, "2", &agree).await;
    shop.was_asked(1).await;
    customer.send(json!({ "type": "erase" })).await;
    customer.hear_where("the deletion", |frame| frame["kind"] == "erased").await;
    assert!(purser.store.due_in(Tray::Errands, i64::MAX, 9).await.expect("rows").is_empty());
    pass(&clock, 3_600_000);
    // Another errand comes after it, and this one is done.
    let mut other = purser.visit(&Visitor::new(), 0).await;
    let (agree, _) = propose(&mut other, "1", "saturday").await;
    press(&mut other, "2", &agree).await;
    told(&mut other).await;
    assert_eq!(shop.did(), [json!({ "day": "saturday" })]);
    let log = log_of(&purser, &visitor).await;
    assert_eq!(log.iter().map(|event| event.kind).collect::<Vec<_>>(), [Kind::Erased]);
    purser.stop().await;
}

async fn a_node_that_stops_leaves_the_errand_to_the_next(database: &TestDatabase) {
    let shop = Shop::start(|number| if number == 0 { Says::Silence } else { Says::Done }).await;
    let clock = day(0);
    let visitor = Visitor::new();
    let first = purser(database, &clock, &shop.action("")).await;
    let mut customer = first.visit(&visitor, 0).await;
    let (agree, _) = propose(&mut customer, "1", "friday").await;
    press(&mut customer, "2", &agree).await;
    shop.was_asked(1).await;
    first.stop().await;
    pass(&clock, 60_000);
    let second = purser(database, &clock, &shop.action("")).await;
    let mut customer = second.visit(&visitor, 5).await;
    assert_eq!(told(&mut customer).await["text"], "It comes on **friday**x.");
    nothing_waits(&second).await;
    assert_eq!(errands(&log_of(&second, &visitor).await), (1, vec![Outcome::Done]));
    assert_eq!(shop.did().len(), 1);
    second.stop().await;
}

#[test]
fn the_action_in_the_documentation_can_be_configured() {
    let page = std::fs::read_to_string("docs/plugins.md").unwrap();
    let (_, block) = page.split_once("```yaml\nactions:\n").expect("the block");
    let (block, _) = block.split_once("```").expect("its end");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("purser.yaml");
    std::fs::write(&file, format!("actions:\n{block}")).unwrap();
    let env = [("SHOP_TOKEN".to_owned(), "sesame".to_owned())];
    let config = Config::load(Some(&file), env, &Flags::default()).unwrap();
    assert_eq!(config.outside.actions.keys().collect::<Vec<_>>(), ["redeliver"]);
    // Without its variable, with its place and without the secret.
    let told = Config::load(Some(&file), [], &Flags::default()).unwrap_err().to_string();
    assert!(told.contains("purser.yaml:2:") && told.contains("the variable SHOP_TOKEN is not set"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_does_it() {
    let Some(database) = TestDatabase::mariadb().await else { return };
    let shop = Shop::start(|number| if number % 3 == 0 { Says::Status(503) } else { Says::Done }).await;
    let outside = shop.action("");
    let nodes = [purser(&database, &Clock::System, &outside).await, purser(&database, &Clock::System, &outside).await];
    let mut customers = Vec::new();
    for n in 0..6 {
        let visitor = Visitor::new();
        let mut tabs = [nodes[0].visit(&visitor, 0).await, nodes[1].visit(&visitor, 0).await];
        let (agree, _) = propose(&mut tabs[n % 2], "1", "friday").await;
        let [one, two] = &mut tabs;
        // The same press in two tabs on two nodes.
        let (first, second) = tokio::join!(press(one, "2", &agree), press(two, "3", &agree));
        let passed_on = [&first, &second].into_iter().filter(|text| text.contains("passing that on")).count();
        assert_eq!(passed_on, 1, "{first} | {second}");
        customers.push((visitor, tabs));
    }
    for (visitor, tabs) in &mut customers {
        told(&mut tabs[0]).await;
        assert_eq!(errands(&log_of(&nodes[0], visitor).await), (1, vec![Outcome::Done]));
    }
    nothing_waits(&nodes[0]).await;
    let heard = shop.heard();
    assert_eq!(shop.did().len(), 6);
    let refused = (0..heard.len()).filter(|number| number % 3 == 0).count();
    assert_eq!(heard.len(), 6 + refused, "no request but those that were turned away is made twice");
    for node in nodes {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_the_request_and_its_answer_makes_it_a_second_request_with_the_same_key() {
    let shop = Shop::start(|number| if number == 0 { Says::Silence } else { Says::Done }).await;
    let site = Site::empty();
    crate::harness::copy(folder().path(), site.folder.path());
    site.write("purser.yaml", &shop.yaml("seconds: 1").replace("${TOKEN}", "x"));
    let start = || Served::start_with(&site, &["--database", "sqlite://purser.db"]);
    let first = start();
    let visitor = Visitor::new();
    let hello = json!({ "type": "hello", "token": visitor.token, "conversation": visitor.conversation, "seq": 0 });
    let mut customer = Typed::connect(first.address()).await;
    customer.send(hello.clone()).await;
    let (agree, _) = propose(&mut customer, "1", "friday").await;
    press(&mut customer, "2", &agree).await;
    shop.was_asked(1).await;
    // Nothing is put in order.
    first.kill();
    let second = tokio::task::block_in_place(start);
    let mut customer = Typed::connect(second.address()).await;
    customer
        .send(json!({ "type": "hello", "token": visitor.token, "conversation": visitor.conversation, "seq": 5 }))
        .await;
    assert_eq!(told(&mut customer).await["text"], "It comes on **friday**x.");
    let heard = shop.heard();
    assert!(heard.len() >= 2 && heard.iter().all(|request| request.key == heard[0].key), "{heard:?}");
    assert_eq!(shop.did().len(), 1);
    assert_eq!(second.stop(), 0);
}

//! Agents see who a signed-in customer is: what the site's token says, from the call for a person until it is deleted.

use purser::clock::Clock;
use purser::conversation::ConversationId;
use purser::store::Role;
use serde_json::{Value, json};

use super::Agent;
use crate::harness::{Setup, TestDatabase, Visitor, http_client, within};
use crate::identity::{keys, sign_in, token_until};
use crate::{log, on_both_engines};

on_both_engines! {
    agents_see_who_the_customer_is;
}

const NAME: &str = "Zoë <img src=x onerror=alert(1)>";
const EMAIL: &str = "zoe@example.org";

async fn agents_see_who_the_customer_is(database: &TestDatabase) {
    let purser = Setup::on(database).change(|config| config.identity = Some(keys())).start().await;
    let anna = Agent::new(&purser, "anna", Role::Agent).await;
    log::said(NAME);
    let until = Clock::System.now() / 1_000 + 3_600;
    let token = token_until("4711", until, json!({ "name": NAME, "email": EMAIL, "address": "Elm Road 1" }));
    let (mut customer, welcome) = sign_in(&purser, &Visitor::new(), &token).await;
    let conversation = welcome["conversation"].as_str().and_then(|id| id.parse().ok()).expect("an id");
    let visitor = Visitor { conversation, ..Visitor::new() };
    customer.ask("m1", "saturday delivery").await;
    // The assistant answers: that it is a customer of the site is all that is known.
    let mut console = anna.live(Some(&visitor)).await;
    let opened = console.hear("opened", |_| true).await;
    assert_eq!(opened["signed_in"], json!({ "account": true }));
    // With the call for a person it is told to whoever looks.
    customer.ask("m2", "talk to a person").await;
    let told = json!({ "account": true, "name": NAME, "email": EMAIL });
    assert_eq!(console.hear("signed_in", |_| true).await, told);
    let opened = anna.live(Some(&visitor)).await.hear("opened", |_| true).await;
    assert_eq!((&opened["signed_in"], &opened["known"]), (&told, &json!({})));
    assert_eq!(anna.list("list?shelf=waiting").await[0]["name"], NAME);
    // It is found by both, as by everything that is known.
    for search in ["zoe", "EXAMPLE.org"] {
        let found = anna.list(&format!("list?shelf=all&q={search}")).await;
        assert_eq!(found.as_array().map(Vec::len), Some(1), "{search}: {found}");
    }
    assert_eq!(anna.list("list?shelf=all&q=Elm%20Road").await, json!([]), "nothing more than that is kept");
    let page = format!("http://{}/agent/export?form=html&conversation={conversation}", purser.address);
    let page = within("a page", http_client().get(page).header("Cookie", &anna.cookie).send()).await.expect("a page");
    let page = page.text().await.expect("a text");
    assert!(page.contains(EMAIL) && page.contains("Zoë &lt;img src=x onerror=alert(1)&gt;"), "{page}");
    let (_, exported) = anna.get(&format!("export?conversation={conversation}")).await;
    assert_eq!(exported["signed_in"], told);

    // It goes with the conversation.
    customer.send(json!({ "type": "erase" })).await;
    customer.hear_where("the end of it", |frame: &Value| frame["kind"] == "erased").await;
    let head = purser.store.conversation(ConversationId(conversation)).await.expect("a read");
    let kept = head.map(|head| head.kept).unwrap_or_default();
    assert_eq!((kept.account_name, kept.account_email), (None, None));
    assert_eq!(anna.list("list?shelf=all&q=zoe").await, json!([]));
    purser.stop().await;
}

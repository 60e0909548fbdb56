//! The plain page.

use fantoccini::Locator;

use super::{Browser, PHONE};
use crate::harness::{TestDatabase, TestPurser, within};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_asks_on_the_plain_page() {
    let Some(browser) = Browser::start(PHONE).await else { return };
    let database = TestDatabase::sqlite();
    let purser = TestPurser::start(&database).await;
    let page = browser.client();
    page.goto(&format!("http://{}/plain", purser.address)).await.expect("the page");
    let field = page.find(Locator::Id("text")).await.expect("a field");
    field.send_keys("do you deliver on saturdays?\u{E007}").await.expect("typing");
    let answer = within("the answer", page.wait().for_element(Locator::Css("#log .bot"))).await.expect("an answer");
    assert_eq!(answer.html(true).await.expect("its HTML"), "<p>Yes, <strong>on Saturdays</strong> too.</p>");

    // What a customer types is text, and the page has no scroll bar below it.
    field.send_keys("<img src=x onerror=alert(1)>\u{E007}").await.expect("typing");
    let second = within("the last line", page.wait().for_element(Locator::Css("#log .bot:nth-of-type(4)"))).await;
    second.expect("an answer");
    let said = page.find(Locator::Css("#log .you:nth-of-type(3)")).await.expect("the own line");
    assert_eq!(said.text().await.expect("its text"), "<img src=x onerror=alert(1)>");
    let wide = page.execute("return document.documentElement.scrollWidth > innerWidth", Vec::new()).await;
    assert_eq!(wide.expect("a script"), false);

    // A reload goes on in the same conversation, and nothing was refused by the page's own policy.
    page.refresh().await.expect("a reload");
    let field = page.find(Locator::Id("text")).await.expect("a field");
    field.send_keys("how much does it cost?\u{E007}").await.expect("typing");
    let answer = within("the answer", page.wait().for_element(Locator::Css("#log .bot"))).await.expect("an answer");
    assert_eq!(answer.text().await.expect("its text"), "From £3.49.");
    let cookies = page.get_all_cookies().await.expect("cookies");
    assert!(cookies.iter().any(|cookie| cookie.name() == "purser_session" && cookie.http_only() == Some(true)));
    browser.end().await;
    purser.stop().await;
}

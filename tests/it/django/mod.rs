//! A Django site with purser: its views of what is said, its earlier chat, and the site of tests/django behind nginx.

mod docs;
mod import;
mod site;
mod views;

use purser::conversation::Millis;

/// A time as the views show it.
pub fn said_in(at: Millis) -> String {
    let stamp = jiff::Timestamp::from_millisecond(at).expect("a time");
    stamp.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

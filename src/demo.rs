//! The demo's parcels: made up, and always of the last few days, so that "track PX…" on the demo page answers for real.
//!
//! They are in a database of their own in memory as long as nobody has configured sources, or in tables beside the
//! store's own once `purser demo` has put them there. Nothing of them comes into a site's database unasked.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::Context;
use serde_json::json;
use time::{Date, Duration};

use crate::conversation::Millis;
use crate::sources::{ActionSpec, Spec, Written, WrittenAction};
use crate::store::{DatabaseUrl, DemoInMemory, DemoShipment, DemoShop};
use crate::text::date::day_of;
use crate::text::parcel::parcel_numbers;

/// The demo's parcels, ready to be looked up.
pub struct Demo {
    /// The sources that the tracking plugin asks.
    pub sources: BTreeMap<String, Spec>,
    /// The actions that it may propose.
    pub actions: BTreeMap<String, ActionSpec>,
    /// Where the parcels are, for the lines of the start.
    pub place: &'static str,
    /// What changes them.
    shop: DemoShop,
    /// The database lives as long as this.
    _memory: Option<DemoInMemory>,
}

impl Demo {
    /// In memory, as of a time.
    pub async fn in_memory(now: Millis) -> anyhow::Result<Demo> {
        let memory = DemoInMemory::new(&shipments(now)).await?;
        let sources = sources(memory.address())?;
        let (shop, actions) = (DemoShop::in_memory(&memory), BTreeMap::new());
        Ok(Demo { sources, actions, place: "in memory", shop, _memory: Some(memory) })
    }

    /// In the tables that `purser demo` has filled in this database.
    pub fn in_database(url: &DatabaseUrl) -> anyhow::Result<Demo> {
        let address = url.exposed().context("a database in memory has no address")?;
        let (shop, actions) = (DemoShop::in_database(url), BTreeMap::new());
        Ok(Demo { sources: sources(&address)?, shop, actions, place: "in the database", _memory: None })
    }
}

impl Demo {
    /// The shop can be told what to do at this address, by whoever has the token. Gives what answers there.
    pub fn open_shop(&mut self, address: SocketAddr, token: &str) -> anyhow::Result<DemoShop> {
        let written = json!({
            "post": format!("http://{address}/parcels/{{number}}/redelivery"),
            "headers": { "Authorization": format!("Bearer {token}") },
            "private": [address.ip().to_string()],
            "fields": { "day": "day" },
        });
        let written: WrittenAction = serde_json::from_value(written)?;
        let spec = written.checked(&|_| None).map_err(anyhow::Error::msg)?;
        self.actions.insert("redeliver".to_owned(), spec);
        Ok(self.shop.clone())
    }
}

/// The sources of the tracking plugin on the demo's tables, as an operator would write them for a shop's own.
fn sources(database: &str) -> anyhow::Result<BTreeMap<String, Spec>> {
    let written = json!({
        "shipment": {
            "query": "SELECT status, expected, changed, country FROM demo_shipments WHERE number = :number",
            "first": true,
        },
        "shipment_history": {
            "query": "SELECT day, status, place FROM demo_events WHERE number = :number ORDER BY seq DESC",
            "rows": 20,
        },
        "shipment_delivery": {
            "query": "SELECT recipient, street, signed_by, proof FROM demo_shipments \
                      WHERE number = :number AND postcode = :postcode",
            "first": true,
            "personal": true,
        },
    });
    let written: BTreeMap<String, Written> = serde_json::from_value(written)?;
    let source = |(name, mut written): (String, Written)| {
        written.database = Some(database.to_owned());
        Ok((name, written.checked(&|_| None).map_err(anyhow::Error::msg)?))
    };
    written.into_iter().map(source).collect()
}

/// The day of a time, such as 2026-05-03.
pub fn today(now: Millis) -> String {
    day_of(now).unwrap_or(Date::MIN).to_string()
}

/// What can be tried: a number, and what is the matter with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// In groups, as it is printed on a label.
    pub number: String,
    /// Its status.
    pub status: &'static str,
    /// The postcode that shows the rest.
    pub postcode: &'static str,
}

/// The parcels, as of a time.
pub fn shipments(now: Millis) -> Vec<DemoShipment> {
    let today = day_of(now).unwrap_or(Date::MIN);
    let day = |days: i64| today.checked_add(Duration::days(days)).unwrap_or(today).to_string();
    let london = DemoShipment {
        number: String::new(),
        status: "",
        expected: None,
        changed: None,
        country: "GB",
        postcode: "E18XX",
        recipient: "A. Adams",
        street: "14 Ropewalk",
        signed_by: None,
        proof: None,
        events: Vec::new(),
    };
    let berlin = DemoShipment {
        country: "DE",
        postcode: "10115",
        recipient: "B. Adler",
        street: "Ankerweg 3",
        ..london.clone()
    };
    vec![
        DemoShipment {
            number: "PX100000017GB".to_owned(),
            status: "out_for_delivery",
            expected: Some(day(0)),
            changed: Some(day(0)),
            events: vec![
                (day(-3), "booked", "Bristol"),
                (day(-2), "collected", "Bristol"),
                (day(-1), "in_transit", "Birmingham"),
                (day(0), "out_for_delivery", "London"),
            ],
            ..london.clone()
        },
        DemoShipment {
            number: "PX100000025GB".to_owned(),
            status: "in_transit",
            expected: Some(day(1)),
            changed: Some(day(-1)),
            events: vec![(day(-2), "collected", "Glasgow"), (day(-1), "in_transit", "Leeds")],
            ..london.clone()
        },
        DemoShipment {
            number: "PX100000034GB".to_owned(),
            status: "delivered",
            expected: Some(day(-1)),
            changed: Some(day(-1)),
            signed_by: Some("C. Adams"),
            proof: Some("https://halyard.example/proof/PX100000034GB"),
            events: vec![
                (day(-4), "collected", "Cardiff"),
                (day(-3), "in_transit", "Bristol"),
                (day(-1), "out_for_delivery", "London"),
                (day(-1), "delivered", "London"),
            ],
            ..london.clone()
        },
        DemoShipment {
            number: "PX100000048GB".to_owned(),
            status: "customs",
            expected: Some(day(-4)),
            changed: Some(day(-6)),
            events: vec![
                (day(-9), "collected", "Manchester"),
                (day(-8), "in_transit", "Dover"),
                (day(-6), "customs", "Frankfurt"),
            ],
            ..berlin.clone()
        },
        DemoShipment {
            number: "PX100000051DE".to_owned(),
            status: "attempted",
            expected: Some(day(1)),
            changed: Some(day(0)),
            events: vec![
                (day(-2), "collected", "Hamburg"),
                (day(-1), "in_transit", "Hannover"),
                (day(0), "attempted", "Berlin"),
            ],
            ..berlin.clone()
        },
        DemoShipment {
            number: "PX100000065DE".to_owned(),
            status: "waiting",
            expected: Some(day(-1)),
            changed: Some(day(-1)),
            events: vec![
                (day(-3), "collected", "Köln"),
                (day(-2), "in_transit", "Hannover"),
                (day(-1), "waiting", "Berlin"),
            ],
            ..berlin
        },
    ]
}

/// The numbers to try.
pub fn samples() -> Vec<Sample> {
    let samples = shipments(0).into_iter().map(|shipment| {
        let shown = parcel_numbers(&shipment.number).first().map_or_else(String::new, |number| number.shown());
        Sample { number: shown, status: shipment.status, postcode: shipment.postcode }
    });
    samples.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parcel::{Carrier, Check};

    #[test]
    fn its_numbers_are_right_ones_of_our_own() {
        for shipment in shipments(1_767_603_600_000) {
            let numbers = parcel_numbers(&shipment.number);
            assert_eq!(numbers.len(), 1, "{}", shipment.number);
            assert_eq!((numbers[0].carrier, numbers[0].check), (Carrier::Own, Check::Right), "{}", shipment.number);
            let last = shipment.events.last().unwrap();
            assert_eq!((Some(&last.0), last.1), (shipment.changed.as_ref(), shipment.status));
            assert!(shipment.events.is_sorted_by(|a, b| a.0 <= b.0));
        }
        assert_eq!(samples().len(), 6);
    }
}

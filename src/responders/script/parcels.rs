//! Parcel numbers as scripts see them.

use std::sync::Arc;

use rhai::{Array, Dynamic, ImmutableString};
use serde_json::{Value, json};

use super::library::Library;
use super::run;
use super::sentences::cut;
use crate::text::parcel::{Carrier, Check, ParcelNumber, grouped, parcel_numbers};

/// A parcel number that stands in a text. Passing it around copies nothing.
#[derive(Debug, Clone)]
pub(super) struct Parcel(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    number: ParcelNumber,
    compact: ImmutableString,
    typed: ImmutableString,
    is_whole: bool,
}

impl Parcel {
    fn new(number: ParcelNumber, text: &str) -> Parcel {
        let compact = number.compact.as_str().into();
        let typed = text.get(number.at.clone()).unwrap_or_default();
        let is_whole = typed.chars().filter(|c| c.is_alphanumeric()).count() >= number.compact.chars().count();
        Parcel(Arc::new(Inner { typed: typed.into(), number, compact, is_whole }))
    }

    fn is_own(&self) -> bool {
        self.0.number.carrier == Carrier::Own && self.0.number.check == Check::Right
    }

    fn check(&self) -> &'static str {
        match self.0.number.check {
            Check::Right => "right",
            Check::Wrong => "wrong",
            Check::Length => "length",
            Check::Absent => "none",
        }
    }

    fn country(&self) -> Option<&str> {
        self.0.number.country.as_deref()
    }

    fn others(&self) -> impl Iterator<Item = &str> {
        self.0.number.others.iter().map(|carrier| carrier.name(self.country()))
    }

    fn page(&self) -> Option<String> {
        self.0.number.carrier.page(&self.0.number.compact, self.country())
    }

    /// All of it, as it is kept.
    pub fn to_json(&self) -> Value {
        let Inner { number, compact, typed, is_whole } = &*self.0;
        json!({
            "compact": compact.as_str(),
            "typed": typed.as_str(),
            "shown": number.shown(),
            "carrier": number.carrier.code(),
            "name": number.carrier.name(self.country()),
            "others": self.others().collect::<Vec<_>>(),
            "page": self.page(),
            "country": self.country(),
            "check": self.check(),
            "is_whole": is_whole,
        })
    }
}

/// Registers them.
pub(super) fn register(library: &mut Library) {
    library.section(
        "Parcel numbers",
        "Found in the ways people type them: with blanks or dashes, in lower case, in brackets, several at once. Known \
         are UPU S10, UPS, USPS, FedEx, DHL, DPD, GLS, Royal Mail, Canada Post and the company's own (S10 with the \
         letters PX). Telephone, order and card numbers are left alone.",
    );
    library.value::<Parcel>("ParcelNumber");
    library.function(
        "fn parcel_numbers(text: String) -> Array",
        "The parcel numbers of a sentence, each a `ParcelNumber` with the properties below.",
        &[
            r#"parcel_numbers("where is px 1234 5678 5 gb?")[0].compact == "PX123456785GB""#,
            r#"parcel_numbers("1Z999AA10123456785")[0].check == "wrong""#,
            r#"parcel_numbers("call me on 0301234567") == []"#,
            r#"parcel_numbers("px 1234 5678 5 gb") == parcel_numbers("PX123456785GB")"#,
        ],
        |text: ImmutableString| -> Array { found(text).iter().cloned().map(Dynamic::from).collect() },
    );
    library.function(
        "fn own_numbers(text: String) -> Array",
        "Of the parcel numbers of a sentence those of the company whose check digit is right: what can be looked up.",
        &[
            r#"own_numbers("px 1234 5678 5 gb and 1Z999AA10123456784").map(|number| number.compact) == ["PX123456785GB"]"#,
            r#"own_numbers("px 1234 5678 6 gb") == []"#,
        ],
        |text: ImmutableString| -> Array {
            found(text).iter().filter(|number| number.is_own()).cloned().map(Dynamic::from).collect()
        },
    );
    library.function(
        "fn shown_number(compact: String) -> String",
        "A parcel number as `compact` gives it, in groups, to be read.",
        &[r#"shown_number("PX123456785GB") == "PX 1234 5678 5 GB""#],
        |compact: ImmutableString| -> ImmutableString {
            grouped(&compact)
                .or_else(|| found(compact.clone()).first().map(|parcel| parcel.0.number.shown()))
                .map_or(compact, ImmutableString::from)
        },
    );
    properties(library);
    library.engine().register_fn("==", |one: &mut Parcel, other: Parcel| one.0.compact == other.0.compact);
    library.engine().register_fn("!=", |one: &mut Parcel, other: Parcel| one.0.compact != other.0.compact);
    library.engine().register_fn("to_string", |number: &mut Parcel| number.0.number.shown());
    library.engine().register_fn("to_debug", |number: &mut Parcel| number.to_json().to_string());
}

fn properties(library: &mut Library) {
    library.property(
        "get compact(number: ParcelNumber) -> String",
        "Without blanks, in capitals.",
        &[],
        |number: &mut Parcel| number.0.compact.clone(),
    );
    library.property("get typed(number: ParcelNumber) -> String", "As it stands there.", &[], |number: &mut Parcel| {
        number.0.typed.clone()
    });
    library.property(
        "get is_whole(number: ParcelNumber) -> bool",
        "Whether the letters at its end stand there too. A number of the company is known by its digits, and `compact` has \
         an end all the same.",
        &[r#"parcel_numbers("px 1234 5678 5")[0].is_whole == false"#],
        |number: &mut Parcel| number.0.is_whole,
    );
    library.property(
        "get shown(number: ParcelNumber) -> String",
        "In groups, to be read.",
        &[],
        |number: &mut Parcel| number.0.number.shown(),
    );
    library.property(
        "get carrier(number: ParcelNumber) -> String",
        "`own`, `ups`, `usps`, `fedex`, `dhl`, `dpd`, `gls`, `royal-mail`, `canada-post`, or `post` for the post of another \
         country.",
        &[],
        |number: &mut Parcel| ImmutableString::from(number.0.number.carrier.code()),
    );
    library.property(
        "get name(number: ParcelNumber) -> String",
        "What the carrier is called; `\"\"` for the own.",
        &[],
        |number: &mut Parcel| ImmutableString::from(number.0.number.carrier.name(number.country())),
    );
    library.property(
        "get others(number: ParcelNumber) -> Array",
        "Carriers whose numbers look just like it, by name.",
        &[],
        |number: &mut Parcel| -> Array {
            number.others().map(|name| Dynamic::from(ImmutableString::from(name))).collect()
        },
    );
    library.property(
        "get page(number: ParcelNumber) -> ?",
        "Where that carrier shows it, or `()`.",
        &[],
        |number: &mut Parcel| number.page().map_or(Dynamic::UNIT, Dynamic::from),
    );
    library.property(
        "get country(number: ParcelNumber) -> ?",
        "The country of a post, or `()`.",
        &[],
        |number: &mut Parcel| {
            number.country().map_or(Dynamic::UNIT, |country| Dynamic::from(ImmutableString::from(country)))
        },
    );
    library.property(
        "get check(number: ParcelNumber) -> String",
        "`right`, `wrong` (a digit is), `length` (digits are missing or too many), `none` (this kind has no check digit).",
        &[],
        |number: &mut Parcel| ImmutableString::from(number.check()),
    );
}

/// The parcel numbers of a text.
fn found(text: ImmutableString) -> Arc<[Parcel]> {
    // The next run of the script asks for the same, and so may this one.
    run::known(|known| known.parcels(&text)).flatten().unwrap_or_else(|| {
        let found: Arc<[Parcel]> =
            parcel_numbers(cut(&text)).into_iter().map(|number| Parcel::new(number, &text)).collect();
        run::known(|known| known.keep_parcels(text, found.clone()));
        found
    })
}

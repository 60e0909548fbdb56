//! What a sentence says of where a parcel is.

use std::sync::LazyLock;

use regex::Regex;

use super::stated::{may_end, stated};
use super::words::fold;

/// Where a parcel, or the money for it, is said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// It was given to its recipient.
    Delivered,
    /// It has come to where it is said to be.
    Arrived,
    /// It is, or was, where parcels are sorted.
    Sorted,
    /// It is in the van.
    OutForDelivery,
    /// It is on its way.
    InTransit,
    /// It was sent, or fetched from its sender.
    Sent,
    /// It waits to be fetched.
    Waiting,
    /// Nobody was there.
    Attempted,
    /// It is late.
    Delayed,
    /// Customs has it.
    Customs,
    /// It goes back.
    Returning,
    /// Nobody knows where it is, or nobody will get it.
    Lost,
    /// It was looked for and is there.
    Found,
    /// Something happened to it.
    Damaged,
    /// The money was given back.
    Refunded,
    /// It is not sent any more.
    Cancelled,
    /// Something was booked, changed, passed on or decided for the customer.
    Arranged,
}

/// A status that a sentence has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    /// The status.
    pub status: Status,
    /// Whether it is said of a parcel that it is so ("was delivered"), and not what may be ("is delivered within three
    /// days", "if it was delivered").
    pub is_claim: bool,
}

/// How a status is called, in folded words.
static NAMES: LazyLock<Vec<(Status, Regex)>> = LazyLock::new(|| {
    [
        (Status::Delivered, r"delivered|zugestellt|ausgeliefert|geliefert"),
        (
            Status::OutForDelivery,
            r"out for delivery|with the (?:driver|courier)|in (?:der )?zustellung|zustellfahrzeug",
        ),
        (Status::InTransit, r"in transit|on (?:its|the|their) way|under way|underway|unterwegs|auf dem weg"),
        (Status::Sent, r"dispatched|shipped|picked up by|collected by|verschickt|versandt|abgeschickt"),
        (Status::Waiting, r"ready (?:for|to) (?:collect\w*|pick\w*)|waiting (?:at|for|to be)|abholbereit|liegt bereit"),
        (Status::Attempted, r"delivery attempt|attempted|tried to deliver|zustellversuch"),
        (Status::Delayed, r"delayed|is late|running late|verspatet|verspatung|verzogert"),
        (Status::Customs, r"(?:at|in|by|through) customs|beim zoll|im zoll|vom zoll"),
        (Status::Returning, r"returned|being returned|sent back|way back|zuruckgeschickt|zuruckgesandt|zuruck an"),
        (Status::Lost, r"lost|missing|verloren|verschollen"),
        (Status::Damaged, r"damaged|beschadigt"),
        (Status::Refunded, r"refunded|reimbursed|erstattet|zuruckgezahlt|zuruckuberwiesen"),
        (Status::Cancelled, r"cancell?ed|storniert"),
    ]
    .map(|(status, pattern)| (status, regex(&format!(r"\b(?:{pattern})\b"))))
    .into()
});

/// Words that make a claim of a status beside them.
static CLAIMS: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\b(?:(?:has|have|had) (?:\w+ )?been|was|were|has|have|wurden?|worden|befinde[tn]|liegt|(?:is|its) (?:now|currently|already|still|just|being|out|on|in|at|with|lost|late|missing|ready|delayed|damaged|held|waiting|underway|under way)|are (?:now|currently|already|still|out|on|in)|(?:ist|sind|hat|haben)|(?:we|i|they|he|she|it|driver|courier|colleague|fahrer|bote) (?:\w+ )?(?:delivered|shipped|dispatched|refunded|reimbursed|cancell?ed|attempted|lost|returned|damaged|tried))\b",
    )
});

/// Words that make a sentence of more than a few words.
static VERBS: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\b(?:is|are|was|were|be|been|will|can|may|has|have|do|does|wird|werden|wurden?|kann|konnen|ist|sind|hat|haben)\b",
    )
});
/// "Delivered yesterday!" has so many words at most.
const FEW: usize = 6;

/// Words after which something may be or not.
static IF: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"\b(?:if|when|once|unless|whether|until|as soon as|as long as|in case|should|wenn|falls|sobald|ob|bis|nachdem|solange|sollte[n]?)\b",
    )
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern that a test has tried")
}

/// The statuses that a sentence has, each once. Data may have them with underscores: `out_for_delivery`.
pub fn statuses(sentence: &str) -> Vec<Named> {
    let folded = folded(sentence);
    let is_brief = folded.split(' ').count() <= FEW && !VERBS.is_match(&folded);
    let found = NAMES.iter().filter_map(|(status, names)| {
        let is_claim = names.find_iter(&folded).map(|name| {
            let before = &folded[..name.start()];
            let says = CLAIMS.is_match(&folded[..name.end()]) || CLAIMS.is_match(&folded[name.start()..]);
            (says || is_brief) && !IF.is_match(before)
        });
        is_claim.reduce(|one, other| one || other).map(|is_claim| Named { status: *status, is_claim })
    });
    let mut found: Vec<Named> = found.collect();
    for (status, begins) in stated(&folded) {
        if !IF.is_match(&folded[..begins]) {
            found.retain(|named| named.status != status);
            found.push(Named { status, is_claim: true });
        }
    }
    found.sort_unstable();
    found
}

/// Whether a word is part of a status, so that what follows it matters.
pub fn hints_at_status(word: &str) -> bool {
    let word = folded(word);
    let ends =
        ["arrived", "delivery", "driver", "courier", "transit", "way", "collection", "pick", "customs", "attempt"];
    let enden = ["zustellung", "zustellfahrzeug", "weg", "bereit", "zoll", "zuruck"];
    ends.contains(&word.as_str()) || enden.contains(&word.as_str()) || may_end(&word) || !statuses(&word).is_empty()
}

/// Folded, with single blanks in the place of all that is neither letter nor digit.
fn folded(text: &str) -> String {
    let folded = fold(text);
    let words = folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_claimed_or_only_spoken_of() {
        use Status::*;
        for (sentence, expected) in [
            ("Your parcel was delivered yesterday.", vec![(Delivered, true)]),
            ("It has been delivered to your neighbour.", vec![(Delivered, true)]),
            ("Parcels are delivered within three days.", vec![(Delivered, false)]),
            ("Your parcel will be delivered soon.", vec![(Delivered, false)]),
            ("If your parcel was delivered, look behind the house.", vec![(Delivered, false)]),
            ("Your parcel was delivered, if you still miss it call us.", vec![(Delivered, true)]),
            ("It's out for delivery.", vec![(OutForDelivery, true)]),
            ("It is on its way", vec![(InTransit, true)]),
            ("Good news: out for delivery now", vec![(OutForDelivery, true)]),
            ("We shipped your parcel this morning, together with a letter", vec![(Sent, true)]),
            ("It is being held in customs.", vec![(Customs, true)]),
            ("Your parcel is lost.", vec![(Lost, true)]),
            ("You have been refunded.", vec![(Refunded, true)]),
            ("Ihr Paket wurde gestern zugestellt.", vec![(Delivered, true)]),
            ("Ihre Sendung ist unterwegs.", vec![(InTransit, true)]),
            ("Wenn die Sendung unterwegs ist, warten Sie.", vec![(InTransit, false)]),
            ("Das Paket wird morgen zugestellt.", vec![(Delivered, false)]),
            (r#"{"status":"out_for_delivery"}"#, vec![(OutForDelivery, true)]),
            ("We open at nine.", vec![]),
            ("Your parcel arrived.", vec![(Arrived, true)]),
            ("Your parcel arrived at your neighbour's house", vec![(Arrived, true)]),
            ("If it has arrived, look behind the house.", vec![]),
            ("It was left in the porch.", vec![(Delivered, true)]),
            ("You can collect it at our depot.", vec![]),
            ("As long as it is not on the van, you can redirect it.", vec![]),
            ("Your parcel left our depot.", vec![(Sorted, true)]),
            ("The driver has collected it.", vec![(Sent, true)]),
            ("The courier has your parcel.", vec![(OutForDelivery, true)]),
            ("Your parcel has cleared customs.", vec![(Customs, true)]),
            ("Nobody was at home when our driver came.", vec![(Attempted, true)]),
            ("Your parcel has been found.", vec![(Found, true)]),
            ("We have paid your money back.", vec![(Refunded, true)]),
            ("I have booked a new delivery for you.", vec![(Arranged, true)]),
            ("Ihr Paket kam an.", vec![(Arrived, true)]),
            ("Ihr Paket wurde beim Nachbarn abgegeben.", vec![(Delivered, true)]),
            ("Ihr Paket hat das Depot verlassen.", vec![(Sorted, true)]),
            ("Die Erstattung wurde genehmigt.", vec![(Refunded, true)]),
            ("Ihre Adresse wurde geändert.", vec![(Arranged, true)]),
        ] {
            let found: Vec<_> = statuses(sentence).iter().map(|named| (named.status, named.is_claim)).collect();
            assert_eq!(found, expected, "{sentence}");
        }
        assert!(hints_at_status("transit.") && hints_at_status("delivered,") && !hints_at_status("Saturdays"));
    }
}

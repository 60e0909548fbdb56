//! Sentences that say where a parcel or its money is, or that something was done, without the name of a
//! [`Status`] as such: "the driver has it", "it was left in the porch".
//!
//! Each pattern is a claim by itself. What is only possible ("you can collect it at our depot") has none.

use std::sync::LazyLock;

use regex::Regex;

use super::status::Status;

/// What is spoken of.
const PARCEL: &str = "(?:parcels?|packages?|shipment|consignment|order|it|its|they|pakete?|sendung|lieferung|es|sie)";
/// What is between that and what is said of it.
const AND: &str = "(?: (?:has|have|had|is|are|was|were|been|now|just|already|still|currently|safely|finally|s))*";
/// Somebody of the company.
const WE: &str = "(?:i|we|ive|weve|driver|courier|colleagues?|team|somebody|someone|neighbou?r)";
/// A building where parcels are sorted.
const PLACE: &str = "(?:depot|hub|warehouse|(?:sorting|parcel|distribution|delivery) (?:cent(?:re|er)|office)|paketzentrum|verteilzentrum|logistikzentrum|zustellstutzpunkt|zustellbasis|lager)";
/// How German begins a claim, and ends it with its verb.
const WURDE: &str = "(?:wurden?|ist|sind|worden)(?: [^ ]+){0,5}";
const HABEN: &str = "(?:ich habe|wir haben|habe ich|haben wir)(?: [^ ]+){0,6}";

/// In folded words with single blanks between them.
static STATED: LazyLock<Vec<(Status, Regex)>> = LazyLock::new(|| {
    use Status::*;
    [
        (Arrived, format!("{PARCEL}{AND} (?:arrived|come in)")),
        (Arrived, format!("{PARCEL} (?:ist|sind) (?:schon |bereits )?(?:da|angekommen|eingetroffen)")),
        (Arrived, format!("{PARCEL} (?:kam|kamen)(?: [^ ]+){{0,4}} an")),
        (Delivered, "(?:was|were|been)(?: [^ ]+){0,2} (?:handed|given to|left (?:with|in|at|on|by|behind|outside|next)|signed|dropped off|accepted by|received by)".to_owned()),
        (Delivered, format!("{WE} (?:has |have )?(?:signed for|handed it|handed over|left it|accepted it)")),
        (Delivered, format!("{PARCEL} (?:is |are |s )?(?:now )?(?:with|at) (?:a|the|your|one of your) neighbou?rs?")),
        (Delivered, format!("{WURDE} (?:abgegeben|ubergeben|hinterlegt|abgelegt|abgeliefert|entgegengenommen)")),
        (Delivered, "^ubergeben an|(?:liegt|ist|wartet)(?: [^ ]+){0,2} bei(?:m| ihre[mrn]| eine[mr]) nachbar[^ ]*".to_owned()),
        (
            Sorted,
            format!(
                "(?:its|{PARCEL} (?:is|are|was|were|has|have|been){AND}) (?:left|reached|entered|in|at|through|processed|scanned|sorted)(?: [^ ]+){{0,2}} {PLACE}"
            ),
        ),
        (Sorted, format!("{PARCEL} (?:left|reached|entered)(?: [^ ]+){{0,2}} {PLACE}")),
        (Sorted, format!("{PARCEL} (?:ist|liegt|hat|befindet|war|wartet|wurde)(?: [^ ]+){{0,5}} {PLACE}")),
        (OutForDelivery, "(?:is|its|are|was|been|now|already) (?:loaded |out |now |already |currently |still )*(?:on|in|onto|into) (?:the|our|a) (?:delivery )?(?:van|vehicle|truck|lorry)".to_owned()),
        (OutForDelivery, "(?:driver|courier) (?:now |already )?has (?:it|your|the (?:parcel|package))".to_owned()),
        (OutForDelivery, "(?:fahrer|bote|zusteller) hat (?:(?:ihr|das) paket|(?:ihre|die) sendung)|(?:ist|wurde)(?: [^ ]+){0,3} (?:verladen|fahrzeug|zustellwagen)".to_owned()),
        (Sent, format!("(?:was|were|been) (?:[^ ]+ )?(?:collected|picked up)|{WE} (?:has |have |just |already )*(?:collected|picked up|fetched)")),
        (Sent, format!("(?:{WURDE}|hat(?: [^ ]+){{0,4}}) (?:abgeholt|aufgegeben)|^(?:collected|abgeholt)$|status collected")),
        (Customs, format!("(?:has|have|had|{PARCEL}) cleared (?:the )?customs|customs (?:has|have) (?:[^ ]+ )?(?:cleared|released|stopped|seized)|(?:is|its|was|stuck|held|still|waiting) (?:[^ ]+ ){{0,2}}at the border")),
        (Customs, format!("{WURDE} verzollt|zoll hat|(?:an|hinter|uber) der grenze")),
        (Attempted, "delivery (?:has |have )?(?:[^ ]+ )?failed|(?:nobody|no one|noone) was (?:at )?(?:home|there|in)|(?:driver|courier) (?:was there|missed you|came in vain|could not find)".to_owned()),
        (Attempted, "(?:zustellung|lieferung) (?:ist |war )?(?:[^ ]+ )?(?:fehlgeschlagen|gescheitert)|niemand (?:war|da|zu hause)|niemanden? angetroffen|nicht angetroffen".to_owned()),
        (Found, format!("{PARCEL}{AND} (?:found|located)|{WE} (?:has |have |just |already )*(?:found|located) (?:it|your)")),
        (Found, format!("{WURDE} (?:gefunden|aufgetaucht)|wir haben(?: [^ ]+){{0,4}} gefunden")),
        (Lost, format!("{PARCEL}{AND} (?:stolen|seized|confiscated|disappeared|vanished|destroyed)")),
        (Lost, format!("{WURDE} (?:gestohlen|beschlagnahmt|verschwunden|vernichtet|zerstort)")),
        (Refunded, "(?:refund|money|compensation|payment|credit)(?: [^ ]+){0,2} (?:was|been|is) (?:[^ ]+ )?(?:approved|granted|issued|processed|paid|sent|transferred|initiated|credited|back)".to_owned()),
        (Refunded, format!("{WE} (?:has |have |just |already )*(?:paid|sent|transferred|given|credited|refunded)(?: [^ ]+){{0,4}} (?:back|money|refund|account)")),
        (Refunded, "geld (?:ist|wurde)(?: [^ ]+){0,3} (?:zuruck|uberwiesen|gutgeschrieben|ausgezahlt)|(?:habe|haben|wurde)(?: [^ ]+){0,5} (?:uberwiesen|ausgezahlt|gutgeschrieben)".to_owned()),
        (Refunded, "erstattung (?:wurde|ist)(?: [^ ]+){0,3} (?:genehmigt|veranlasst|angewiesen|bearbeitet|unterwegs)".to_owned()),
        (Arranged, "(?:i have|we have|ive|weve|colleague has|team has) (?:[^ ]+ ){0,2}(?:booked|changed|arranged|ordered|updated|rescheduled|scheduled|registered|opened|created|informed|notified|forwarded|passed|approved|confirmed|corrected|redirected|requested|started)".to_owned()),
        (Arranged, "(?:address|delivery|appointment|slot|pickup|collection|order|booking|claim|complaint|request|report|case|redelivery|investigation|search|application) (?:was|were|(?:has|have) (?:[^ ]+ )?been) (?:[^ ]+ )?(?:booked|changed|accepted|approved|granted|rejected|refused|declined|confirmed|processed|opened|created|started|updated|rescheduled|scheduled|registered|redirected|forwarded)".to_owned()),
        (Arranged, format!("{HABEN} (?:gebucht|geandert|beauftragt|veranlasst|angelegt|weitergeleitet|weitergegeben|informiert|benachrichtigt|bestatigt|eingeleitet|verschoben|reserviert|umgeleitet)")),
        (Arranged, format!("(?:adresse|zustellung|termin|abholung|auftrag|buchung|reklamation|anfrage|beschwerde|nachforschung|meldung|antrag) {WURDE} (?:gebucht|geandert|genehmigt|anerkannt|abgelehnt|veranlasst|bestatigt|eingeleitet|bearbeitet|angelegt|verschoben|angenommen)")),
    ]
    .map(|(status, pattern)| (status, regex(&format!(r"(?-u:\b)(?:{pattern})(?-u:\b)"))))
    .into()
});

/// Words with which such a claim ends, or without which there is none.
static ENDS: LazyLock<Regex> = LazyLock::new(|| {
    regex(
        r"^(?:[a-z]{3,}ed|left|given|sent|found|stolen|paid|back|neighbou?rs?|depot|hub|warehouse|cent(?:re|er)|office|van|vehicle|truck|lorry|border|home|account|late|ready|waiting|nobody|noone|[a-z]*ge[a-z]{2,}(?:t|en)|(?:be|ver|zer|uber|hinter)[a-z]{3,}(?:t|en)|nachbar[a-z]*|[a-z]*zentrum|lager|[a-z]*fahrzeug|[a-z]*wagen|grenze|zuruck|niemand[a-z]*|da)$",
    )
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern that a test has tried")
}

/// The statuses that a sentence of folded words claims, and where each claim begins, in bytes.
pub(super) fn stated(folded: &str) -> impl Iterator<Item = (Status, usize)> + '_ {
    STATED.iter().flat_map(|(status, pattern)| pattern.find_iter(folded).map(|found| (*status, found.start())))
}

/// Whether a claim may end with this folded word.
pub(super) fn may_end(word: &str) -> bool {
    ENDS.is_match(word)
}

//! Carriers: their names, and where each lets a customer follow a parcel.

/// Who carries a parcel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Carrier {
    /// The company itself.
    Own,
    /// UPS.
    Ups,
    /// The post of the United States.
    Usps,
    /// FedEx: Express, Ground and SmartPost.
    FedEx,
    /// DHL, with Deutsche Post.
    Dhl,
    /// DPD.
    Dpd,
    /// GLS.
    Gls,
    /// Royal Mail and Parcelforce.
    RoyalMail,
    /// The post of Canada.
    CanadaPost,
    /// The post of another country, by an S10 number.
    Post,
}

impl Carrier {
    /// All of them, in the order in which a number that fits several is given to them.
    pub const ALL: [Carrier; 10] = [
        Carrier::Own,
        Carrier::Ups,
        Carrier::Usps,
        Carrier::FedEx,
        Carrier::Dhl,
        Carrier::Gls,
        Carrier::Dpd,
        Carrier::RoyalMail,
        Carrier::CanadaPost,
        Carrier::Post,
    ];

    /// The word for it in scripts and in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Carrier::Own => "own",
            Carrier::Ups => "ups",
            Carrier::Usps => "usps",
            Carrier::FedEx => "fedex",
            Carrier::Dhl => "dhl",
            Carrier::Dpd => "dpd",
            Carrier::Gls => "gls",
            Carrier::RoyalMail => "royal-mail",
            Carrier::CanadaPost => "canada-post",
            Carrier::Post => "post",
        }
    }

    /// As customers know it; empty for the company itself, whose name the site knows. `country` is that of an S10
    /// number.
    pub fn name(self, country: Option<&str>) -> &'static str {
        match self {
            Carrier::Own => "",
            Carrier::Ups => "UPS",
            Carrier::Usps => "USPS",
            Carrier::FedEx => "FedEx",
            Carrier::Dhl => "DHL",
            Carrier::Dpd => "DPD",
            Carrier::Gls => "GLS",
            Carrier::RoyalMail => "Royal Mail",
            Carrier::CanadaPost => "Canada Post",
            Carrier::Post => country.and_then(post).map_or("", |(name, _)| name),
        }
    }

    /// The carrier's page for this number; `None` where there is no page that takes one. `compact` has only digits
    /// and capital letters, so it needs no encoding.
    pub fn page(self, compact: &str, country: Option<&str>) -> Option<String> {
        let before = match self {
            Carrier::Own => return None,
            Carrier::Ups => "https://www.ups.com/track?tracknum=",
            Carrier::Usps => "https://tools.usps.com/go/TrackConfirmAction?tLabels=",
            Carrier::FedEx => "https://www.fedex.com/fedextrack/?trknbr=",
            Carrier::Dhl => "https://www.dhl.com/global-en/home/tracking.html?tracking-id=",
            Carrier::Dpd => "https://www.dpdgroup.com/nl/mydpd/my-parcels/track?lang=en&parcelNumber=",
            Carrier::Gls => "https://gls-group.com/EU/en/parcel-tracking/?match=",
            Carrier::RoyalMail => "https://www.royalmail.com/track-your-item#/tracking-results/",
            Carrier::CanadaPost => "https://www.canadapost-postescanada.ca/track-reperage/en#/search?searchFor=",
            Carrier::Post => post(country?)?.1,
        };
        Some(format!("{before}{compact}"))
    }

    /// The carrier that a word of a message names, in lower case.
    pub(super) fn named(word: &str) -> Option<Carrier> {
        Some(match word {
            "ups" => Carrier::Ups,
            "usps" => Carrier::Usps,
            "fedex" => Carrier::FedEx,
            "dhl" => Carrier::Dhl,
            "dpd" => Carrier::Dpd,
            "gls" => Carrier::Gls,
            "canadapost" | "postescanada" => Carrier::CanadaPost,
            "royalmail" | "parcelforce" => Carrier::RoyalMail,
            _ => return None,
        })
    }

    /// Who carries parcels with S10 numbers of this country.
    pub(super) fn of_country(country: &str) -> Carrier {
        match country {
            "GB" => Carrier::RoyalMail,
            "US" => Carrier::Usps,
            "CA" => Carrier::CanadaPost,
            "DE" => Carrier::Dhl,
            _ => Carrier::Post,
        }
    }
}

/// The post of a country, and the page that takes its numbers.
fn post(country: &str) -> Option<(&'static str, &'static str)> {
    Some(match country {
        "AT" => ("Österreichische Post", "https://www.post.at/sv/sendungsdetails?snr="),
        "AU" => ("Australia Post", "https://auspost.com.au/mypost/track/#/details/"),
        "BE" => ("bpost", "https://track.bpost.cloud/btr/web/#/search?itemCode="),
        "BR" => ("Correios", "https://rastreamento.correios.com.br/app/index.php?objetos="),
        "CH" => ("Swiss Post", "https://service.post.ch/ekp-web/ui/entry/search/"),
        "CN" => ("China Post", "https://www.ems.com.cn/queryList?mailNo="),
        "DK" | "SE" => ("PostNord", "https://tracking.postnord.com/en/tracking?id="),
        "ES" => ("Correos", "https://www.correos.es/es/en/tools/tracker/items/details?tracking-number="),
        "FI" => ("Posti", "https://www.posti.fi/en/tracking#/lahetys/"),
        "FR" => ("La Poste", "https://www.laposte.fr/outils/suivre-vos-envois?code="),
        "HK" => ("Hongkong Post", "https://webapp.hongkongpost.hk/en/mail_tracking/index.html?tracking_number="),
        "IE" => ("An Post", "https://www.anpost.com/Post-Parcels/Track/History?item="),
        "IN" => ("India Post", "https://www.indiapost.gov.in/?trackingnumber="),
        "IT" => ("Poste Italiane", "https://www.poste.it/cerca/index.html#/risultati-spedizioni/"),
        "JP" => ("Japan Post", "https://trackings.post.japanpost.jp/services/srv/search/direct?locale=en&reqCodeNo1="),
        "NL" => ("PostNL", "https://postnl.nl/tracktrace/?B="),
        "NO" => ("Posten", "https://sporing.posten.no/sporing/"),
        "NZ" => ("NZ Post", "https://www.nzpost.co.nz/tools/tracking?trackid="),
        "PL" => ("Poczta Polska", "https://emonitoring.poczta-polska.pl/?numer="),
        "PT" => ("CTT", "https://www.ctt.pt/particulares/ferramentas/seguir-envios?objects="),
        "SG" => ("SingPost", "https://www.singpost.com/track-items?trackingid="),
        _ => return None,
    })
}

//! Postcodes: their form by country.

/// A text as a postcode of this country, as it is written there; `None` if it has not that form. Of a country whose
/// form is not known, anything with a digit and at most ten characters is taken.
pub fn postcode(text: &str, country: &str) -> Option<String> {
    let compact: String = text.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_uppercase()).collect();
    let shape = shape(&compact);
    let split = |at: usize, between: &str| format!("{}{between}{}", &compact[..at], &compact[at..]);
    let known = match country {
        "GB" | "GG" | "JE" | "IM" => {
            let fits = ["A99AA", "A999AA", "AA99AA", "AA999AA", "A9A9AA", "AA9A9AA"].contains(&shape.as_str());
            return fits.then(|| split(compact.len() - 3, " "));
        }
        "US" => match shape.as_str() {
            "99999" => return Some(compact),
            "999999999" => return Some(split(5, "-")),
            _ => false,
        },
        "CA" => return (shape == "A9A9A9").then(|| split(3, " ")),
        "NL" => return (shape == "9999AA").then(|| split(4, " ")),
        "IE" => return (compact.len() == 7 && shape.starts_with('A')).then(|| split(3, " ")),
        "PL" => return (shape == "99999").then(|| split(2, "-")),
        "PT" => return (shape == "9999999").then(|| split(4, "-")),
        "SE" | "CZ" | "SK" | "GR" => return (shape == "99999").then(|| split(3, " ")),
        "JP" => return (shape == "9999999").then(|| split(3, "-")),
        "BR" => return (shape == "99999999").then(|| split(5, "-")),
        "DE" | "FR" | "ES" | "IT" | "FI" | "TR" | "MX" | "EE" | "HR" | "UA" | "MC" | "TH" | "MY" | "KR" => {
            shape == "99999"
        }
        "AT" | "BE" | "CH" | "DK" | "NO" | "AU" | "NZ" | "HU" | "BG" | "LU" | "SI" | "CY" | "ZA" | "LI" => {
            shape == "9999"
        }
        "CN" | "IN" | "RO" | "RU" | "SG" => shape == "999999",
        _ => !compact.is_empty() && compact.len() <= 10 && shape.contains('9'),
    };
    known.then_some(compact)
}

/// Whether two texts are the same postcode, however they are written. Nothing is no postcode.
pub fn is_same(one: &str, other: &str) -> bool {
    let compact = |text: &str| -> String {
        text.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_uppercase()).collect()
    };
    let one = compact(one);
    !one.is_empty() && one == compact(other)
}

/// The postcode of a country in a sentence: "it's SW1A 1AA", "10115 Berlin".
pub fn postcode_in(text: &str, country: &str) -> Option<String> {
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let has_digit = |text: &str| text.bytes().any(|c| c.is_ascii_digit());
    // Two words first: "SW1A 1AA" is one.
    let pairs = words.windows(2).map(<[&str]>::concat).filter(|pair| pair.len() <= 10);
    let singles = words.iter().map(|&word| word.to_owned());
    pairs.chain(singles).filter(|text| has_digit(text)).find_map(|text| postcode(&text, country))
}

/// Digits as 9 and letters as A.
fn shape(compact: &str) -> String {
    compact.chars().map(|c| if c.is_ascii_digit() { '9' } else { 'A' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postcodes_have_the_form_of_their_country() {
        for (text, country, expected) in [
            ("sw1a1aa", "GB", Some("SW1A 1AA")),
            ("E1 8XX", "GB", Some("E1 8XX")),
            ("12345", "GB", None),
            ("10115", "DE", Some("10115")),
            ("1011", "DE", None),
            ("1010", "AT", Some("1010")),
            ("90210", "US", Some("90210")),
            ("902101234", "US", Some("90210-1234")),
            ("k1a 0b1", "CA", Some("K1A 0B1")),
            ("1012ab", "NL", Some("1012 AB")),
            ("D02 AF30", "IE", Some("D02 AF30")),
            ("00-950", "PL", Some("00-950")),
            ("", "DE", None),
            ("", "TV", None),
            ("münchen", "DE", None),
        ] {
            assert_eq!(postcode(text, country).as_deref(), expected, "{text} in {country}");
        }
    }

    #[test]
    fn they_are_found_in_a_sentence() {
        for (text, country, expected) in [
            ("it's SW1A 1AA thanks", "GB", Some("SW1A 1AA")),
            ("postcode sw1a1aa", "GB", Some("SW1A 1AA")),
            ("10115 Berlin", "DE", Some("10115")),
            ("Berlin", "DE", None),
            ("PX123456785GB", "GB", None),
        ] {
            assert_eq!(postcode_in(text, country).as_deref(), expected, "{text}");
        }
        assert!(
            is_same("SW1A 1AA", "sw1a1aa")
                && !is_same("SW1A 1AA", "SW1A 1AB")
                && !is_same("", "")
                && !is_same("!", "?")
        );
    }
}

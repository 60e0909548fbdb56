//! The formats of parcel numbers, without blanks and in capitals.
//!
//! Where they are described: UPU standard S10 (letters, eight digits, check digit, country); GS1 General
//! Specifications (SSCC, modulo 10); UPS "Guide to Labeling" (1Z); USPS Publication 199 (IMpb) and 91 for the older
//! twenty digits; the FedEx Ship Manager guide (12, 15, 22 and 34 digits); DHL Express waybills (rest of seven) and the
//! parcel numbers of Deutsche Post DHL (Identcode, SSCC, JJD); the DPD Parcel Label Specification (ISO/IEC 7064);
//! the GLS Uni-Box documentation, chapter 3.2.1; Canada Post's PIN (modulo 10).

use super::carrier::Carrier;
use super::check_digit as digit;
use crate::text::place;

/// The service letters of the company's own S10 numbers, and the country that they end with when a customer leaves
/// it out.
pub const OWN: (&str, &str) = ("PX", "GB");

/// Whether the check digit fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// A number of this carrier, but some digits are missing or too many.
    Length,
    /// Some digit is wrong.
    Wrong,
    /// The format has no check digit.
    Absent,
    /// The check digit fits.
    Right,
}

/// The longest number: FedEx and USPS with 34 digits.
pub const LONGEST: usize = 34;

/// What a candidate is, if it is something that shows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strong {
    pub carrier: Carrier,
    pub check: Check,
    /// Characters at the end that are left out, as a country that the customer did not write.
    pub completes: bool,
}

/// What a candidate is by its letters or its length and beginning, wherever it stands.
pub fn strong(compact: &[u8]) -> Option<Strong> {
    let found = |carrier, right: bool| {
        Some(Strong { carrier, check: if right { Check::Right } else { Check::Wrong }, completes: false })
    };
    let length = compact.len();
    if compact.first()?.is_ascii_alphabetic() {
        if compact.starts_with(b"JJD") || compact.starts_with(b"JVGL") {
            let digits = compact.iter().skip_while(|c| c.is_ascii_alphabetic()).count();
            let all = compact.iter().skip_while(|c| c.is_ascii_alphabetic()).all(u8::is_ascii_digit);
            return (all && (10..=20).contains(&digits)).then_some(Strong {
                carrier: Carrier::Dhl,
                check: Check::Absent,
                completes: false,
            });
        }
        if compact.starts_with(b"GM") && (18..=20).contains(&length) && compact[2..].iter().all(u8::is_ascii_digit) {
            return Some(Strong { carrier: Carrier::Dhl, check: Check::Absent, completes: false });
        }
        return s10(compact);
    }
    if compact.starts_with(b"1Z") {
        return match length {
            18 if compact[17].is_ascii_digit() => {
                let mut values = [0; 15];
                for (value, &c) in values.iter_mut().zip(&compact[2..17]) {
                    *value = digit::ups_value(c);
                }
                found(Carrier::Ups, digit::ups(&values) == compact[17] - b'0')
            }
            14..=20 => Some(Strong { carrier: Carrier::Ups, check: Check::Length, completes: false }),
            _ => None,
        };
    }
    // DPD prints a letter or digit after the fourteen digits, and the whole line of its label has 28 characters.
    if (length == 15 && !compact[14].is_ascii_digit()) || length == 28 {
        let (before, last) = compact.split_at(length - 1);
        let fits = before.iter().all(u8::is_ascii_digit) && digit::dpd(before) == last[0];
        return if fits { found(Carrier::Dpd, true) } else { None };
    }
    if length < 20 || !compact.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut digits = [0; LONGEST];
    let digits = &mut digits[..length];
    for (digit, c) in digits.iter_mut().zip(compact) {
        *digit = c - b'0';
    }
    let (before, check) = (&digits[..length - 1], digits[length - 1]);
    match (length, &compact[..2]) {
        (22, b"91" | b"92" | b"93" | b"94" | b"95") | (26, b"92" | b"93" | b"94" | b"95") => {
            found(Carrier::Usps, digit::gs1(before) == check)
        }
        (30 | 34, b"42") if compact[2] == b'0' => {
            let number = &before[length - 22..];
            (digits[length - 22] == 9).then_some(())?;
            found(Carrier::Usps, digit::gs1(number) == check)
        }
        // Certified, insured, registered mail and delivery confirmation. Those printed after 91 count it in.
        (20, b"70" | b"71" | b"72" | b"73" | b"77" | b"81" | b"03" | b"23") => {
            let sum = digit::gs1(before) == check || {
                let mut long = [0; 21];
                long[0] = 9;
                long[1] = 1;
                long[2..].copy_from_slice(before);
                digit::gs1(&long) == check
            };
            found(Carrier::Usps, sum)
        }
        // An SSCC with the prefix of Deutsche Post.
        (20, b"00") if compact.starts_with(b"0034") => found(Carrier::Dhl, digit::gs1(before) == check),
        (22, b"96") => found(Carrier::FedEx, digit::gs1(&before[7..]) == check),
        (34, b"96" | b"10") => found(Carrier::FedEx, digit::fedex_express(&before[20..]) == check),
        _ => None,
    }
}

/// Two letters, eight digits, the check digit, a country.
fn s10(compact: &[u8]) -> Option<Strong> {
    let own = compact.starts_with(OWN.0.as_bytes());
    let letters = compact.len() > 2 && compact[1].is_ascii_alphabetic();
    let digits = if letters { compact[2..].iter().take_while(|c| c.is_ascii_digit()).count() } else { 0 };
    let country = compact.get(2 + digits..)?;
    let country = std::str::from_utf8(country).ok()?;
    if digits == 9 && country.len() == 2 && place::is_country(country) {
        let right = s10_is_right(&compact[2..11]);
        let check = if right { Check::Right } else { Check::Wrong };
        let carrier = if own { Carrier::Own } else { Carrier::of_country(country) };
        return Some(Strong { carrier, check, completes: false });
    }
    if own && (country.is_empty() || (country.len() == 2 && place::is_country(country))) && (5..=14).contains(&digits) {
        let check = match digits {
            9 if s10_is_right(&compact[2..11]) => Check::Right,
            9 => Check::Wrong,
            _ => Check::Length,
        };
        return Some(Strong { carrier: Carrier::Own, check, completes: country.is_empty() });
    }
    None
}

fn s10_is_right(digits: &[u8]) -> bool {
    let mut serial = [0; 8];
    for (serial, c) in serial.iter_mut().zip(digits) {
        *serial = c - b'0';
    }
    digit::s10(&serial) == digits[8] - b'0'
}

/// The carriers that have numbers of this many digits and nothing else, and whether the check digit fits. They look
/// like phone and order numbers, so what stands around them must speak for them.
pub fn weak(compact: &[u8]) -> impl Iterator<Item = (Carrier, Check)> {
    let mut digits = [0; 18];
    let length = compact.len().min(18);
    for (digit, c) in digits.iter_mut().zip(compact) {
        *digit = c.wrapping_sub(b'0');
    }
    let (before, check) = (&digits[..length.saturating_sub(1)], digits[length.saturating_sub(1)]);
    let fits = |right: bool| if right { Check::Right } else { Check::Wrong };
    let found = match compact.len() {
        10 => [Some((Carrier::Dhl, fits(digit::dhl_express(before) == check))), None, None],
        12 => [
            Some((Carrier::FedEx, fits(digit::fedex_express(before) == check))),
            Some((Carrier::Dhl, fits(digit::identcode(before) == check))),
            Some((Carrier::Gls, fits(digit::gls(before) == check))),
        ],
        14 => [Some((Carrier::Dpd, Check::Absent)), None, None],
        15 => [Some((Carrier::FedEx, fits(digit::gs1(before) == check))), None, None],
        16 => [Some((Carrier::CanadaPost, fits(digit::gs1(before) == check))), None, None],
        18 if compact.starts_with(b"00") => [Some((Carrier::FedEx, fits(digit::gs1(before) == check))), None, None],
        _ => [None, None, None],
    };
    found.into_iter().flatten()
}

/// A card number: 13 to 19 digits with a beginning that card companies use, and Luhn's check digit.
pub fn is_card(compact: &[u8]) -> bool {
    let mut digits = [0; 19];
    let Some(digits) = digits.get_mut(..compact.len()).filter(|digits| digits.len() >= 13) else { return false };
    for (digit, c) in digits.iter_mut().zip(compact) {
        *digit = c.wrapping_sub(b'0');
    }
    let first = digits[..4].iter().fold(0_u32, |number, &digit| number * 10 + u32::from(digit));
    let issued = matches!(first, 4000..=4999 | 5100..=5599 | 2221..=2720 | 3400..=3499 | 3700..=3799 | 3528..=3589
        | 6011 | 6440..=6599 | 3000..=3059 | 3600..=3699 | 3800..=3999 | 6200..=6299 | 5000..=5099 | 5600..=5999
        | 6304 | 6759..=6763);
    issued && digit::is_luhn(digits)
}

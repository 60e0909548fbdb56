//! Check digits: the arithmetic that tells a mistyped number from a right one.
//!
//! Each function takes the digits before the check digit, most significant first, and gives the digit that belongs
//! after them.

/// UPU S10 (standard S10-12, annex A): weights 8 6 4 2 3 5 9 7, eleven less the rest of eleven; 10 is 0 and 11 is 5.
pub fn s10(serial: &[u8; 8]) -> u8 {
    const WEIGHTS: [u32; 8] = [8, 6, 4, 2, 3, 5, 9, 7];
    match 11 - weighted(serial, &WEIGHTS) % 11 {
        10 => 0,
        11 => 5,
        digit => small(digit),
    }
}

/// GS1 modulo 10: weights 3 and 1 by turns, 3 at the digit next to the check digit.
pub fn gs1(digits: &[u8]) -> u8 {
    let sum: u32 =
        digits.iter().rev().zip([3, 1].into_iter().cycle()).map(|(&digit, weight)| u32::from(digit) * weight).sum();
    to_ten(sum)
}

/// UPS: weights 1 and 2 by turns from the left, modulo 10. A letter counts as in [`ups_value`].
pub fn ups(values: &[u8]) -> u8 {
    to_ten(weighted(values, &[1, 2]))
}

/// What a character of a UPS number counts: a digit itself, A 2, B 3, … H 9, I 0, J 1, and so on.
pub fn ups_value(c: u8) -> u8 {
    if c.is_ascii_digit() { c - b'0' } else { (c.to_ascii_uppercase() - b'A' + 2) % 10 }
}

/// FedEx Express: weights 1 3 7 from the digit next to the check digit leftwards, modulo 11; a rest of 10 is 0.
pub fn fedex_express(digits: &[u8]) -> u8 {
    let sum: u32 =
        digits.iter().rev().zip([1, 3, 7].into_iter().cycle()).map(|(&digit, weight)| u32::from(digit) * weight).sum();
    small(sum % 11 % 10)
}

/// DHL Express: the rest of seven.
pub fn dhl_express(digits: &[u8]) -> u8 {
    digits.iter().fold(0, |rest, digit| (rest * 10 + digit) % 7)
}

/// Identcode of Deutsche Post DHL: weights 4 and 9 by turns from the left, modulo 10.
pub fn identcode(digits: &[u8]) -> u8 {
    to_ten(weighted(digits, &[4, 9]))
}

/// GLS: weights 3 and 1 by turns from the left, one added, modulo 10.
pub fn gls(digits: &[u8]) -> u8 {
    to_ten(weighted(digits, &[3, 1]) + 1)
}

/// DPD: ISO/IEC 7064 MOD 37,36 over digits and letters; gives a digit or a capital letter.
pub fn dpd(characters: &[u8]) -> u8 {
    const M: u32 = 36;
    let mut check = M;
    for c in characters {
        let value = u32::from(if c.is_ascii_digit() { c - b'0' } else { c.to_ascii_uppercase() - b'A' + 10 });
        check = (check + value) % M;
        check = if check == 0 { M } else { check } * 2 % (M + 1);
    }
    let check = small((M + 1 - check) % M);
    if check < 10 { b'0' + check } else { b'A' + check - 10 }
}

/// Luhn, as cards have it: whether the last digit fits those before.
pub fn is_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, &digit)| {
            let doubled = u32::from(digit) * 2;
            if at % 2 == 0 { u32::from(digit) } else { doubled / 10 + doubled % 10 }
        })
        .sum();
    sum.is_multiple_of(10)
}

fn weighted(digits: &[u8], weights: &[u32]) -> u32 {
    digits.iter().zip(weights.iter().cycle()).map(|(&digit, weight)| u32::from(digit) * weight).sum()
}

/// What is missing to the next ten.
fn to_ten(sum: u32) -> u8 {
    small((10 - sum % 10) % 10)
}

fn small(digit: u32) -> u8 {
    u8::try_from(digit).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> Vec<u8> {
        text.bytes().map(|byte| byte - b'0').collect()
    }

    #[test]
    fn published_numbers_fit() {
        // RB123456785GB is the example of the S10 standard; the others stand on labels and pages of the carriers.
        for (serial, check) in [("12345678", 5), ("47312482", 9), ("00071761", 8)] {
            assert_eq!(s10(&digits(serial).try_into().unwrap()), check, "{serial}");
        }
        for number in ["9400111201080805483016", "9205590164917312751089", "00340433836442636597", "0073938000549297"] {
            let (before, last) = number.split_at(number.len() - 1);
            assert_eq!(gs1(&digits(before)), digits(last)[0], "{number}");
        }
        for number in ["1Z5R89390357567127", "1Z879E930346834440", "1Z410E7W0392751591", "1Z999AA10123456784"] {
            let values: Vec<u8> = number[2..17].bytes().map(ups_value).collect();
            assert_eq!(ups(&values), number.as_bytes()[17] - b'0', "{number}");
        }
        for number in ["986578788855", "477179081230", "799531274483", "974367662710"] {
            assert_eq!(fedex_express(&digits(&number[..11])), digits(&number[11..])[0], "{number}");
        }
        for number in ["3318810025", "8487135506", "1099255990"] {
            assert_eq!(dhl_express(&digits(&number[..9])), digits(&number[9..])[0], "{number}");
        }
        assert_eq!(identcode(&digits("20129845227")), 7);
        assert_eq!(dpd(b"008182709980000020033350276"), b'C');
        assert_eq!(dpd(b"008182709980000020045327276"), b'N');
        assert!(is_luhn(&digits("4111111111111111")) && !is_luhn(&digits("4111111111111112")));
    }
}

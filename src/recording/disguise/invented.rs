//! What is put in the place of something: of the same shape, the same for the same, and nobody's.

use super::{Disguise, Doubt, STRASSE, STREET};
use crate::text::parcel::{ParcelNumber, parcel_numbers};

/// Invented people, who have the first names of programmers and no family.
const FIRST: [&str; 12] =
    ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Frances", "Niklaus", "Radia", "Dennis", "Hedy", "Tim"];
const LAST: [&str; 6] = ["Example", "Sample", "Specimen", "Muster", "Model", "Instance"];

impl Disguise {
    /// The same for the same; `make` invents it.
    fn stand_in(&mut self, original: &str, make: impl FnOnce(&mut Disguise) -> String) -> String {
        if let Some(made) = self.known.get(original) {
            return made.clone();
        }
        let made = make(self);
        self.known.insert(original.to_owned(), made.clone());
        made
    }

    pub(super) fn email(&mut self, original: &str) -> String {
        self.stand_in(original, |disguise| {
            disguise.numbers += 1;
            format!("customer{}@example.com", disguise.numbers)
        })
    }

    /// As many words as the name has.
    pub(super) fn person(&mut self, original: &str) -> String {
        let words: Vec<&str> = original.split_whitespace().collect();
        let known = self.known.contains_key(original);
        let made = self.stand_in(original, |disguise| {
            let number = disguise.people;
            disguise.people += 1;
            let first = FIRST[number % FIRST.len()];
            let last = LAST[number / FIRST.len() % LAST.len()];
            match words.len() {
                0 | 1 => first.to_owned(),
                _ => format!("{first} {last}"),
            }
        });
        if !known && let ([first, .., last], Some((made_first, made_last))) = (&words[..], made.split_once(' ')) {
            self.known.entry((*first).to_owned()).or_insert_with(|| made_first.to_owned());
            self.known.entry((*last).to_owned()).or_insert_with(|| made_last.to_owned());
        }
        made
    }

    /// What a file is called may name anybody; what it is stays.
    pub(super) fn file(&mut self, original: &str) -> String {
        let ending = original.rsplit_once('.').map_or("", |(_, ending)| ending);
        self.stand_in(original, |disguise| {
            disguise.numbers += 1;
            format!("file-{}.{ending}", disguise.numbers)
        })
    }

    pub(super) fn word(&mut self, original: &str) -> String {
        self.stand_in(original, |disguise| {
            disguise.numbers += 1;
            format!("Example {}", disguise.numbers)
        })
    }

    /// A street keeps what kind of a street it is, and another number.
    pub(super) fn street(&mut self, original: &str) -> String {
        let make = |disguise: &mut Disguise| {
            disguise.numbers += 1;
            let number = 10 + disguise.numbers;
            let english = STREET.as_ref().and_then(|pattern| pattern.captures(original));
            if let Some(kind) = english.as_ref().and_then(|found| found.get(2)) {
                return format!("{number} Example {}", kind.as_str());
            }
            let german = STRASSE.as_ref().and_then(|pattern| pattern.captures(original));
            let kind = german.as_ref().and_then(|found| found.get(2)).map_or("straße", |kind| kind.as_str());
            format!("Muster{kind} {number}")
        };
        self.stand_in(original, make)
    }

    /// Other digits, after the first `kept` characters that are no letters.
    pub(super) fn digits(&mut self, original: &str, kept: usize) -> String {
        self.shaped(original, |compact, dice| {
            let mut seen = 0;
            let digit = |c: char| {
                seen += usize::from(c.is_ascii_digit());
                if c.is_ascii_digit() && seen > kept { dice.digit() } else { c }
            };
            compact.chars().map(digit).collect()
        })
    }

    /// Another postcode, perhaps with the town behind it. It begins with the same character, which says roughly where
    /// that is.
    pub(super) fn postcode(&mut self, original: &str) -> String {
        if let Some((code, town)) = original.split_once(' ')
            && town.chars().count() > 3
            && town.chars().all(char::is_alphabetic)
        {
            let made = format!("{} Musterstadt", self.postcode(code));
            self.known.insert(original.to_owned(), made.clone());
            return made;
        }
        self.shaped(original, |compact, dice| {
            let other = |(at, c): (usize, char)| match c {
                _ if at == 0 => c,
                c if c.is_ascii_digit() => dice.digit(),
                c if c.is_ascii_alphabetic() => dice.letter(),
                c => c,
            };
            compact.chars().enumerate().map(other).collect()
        })
    }

    /// The number of another bank account in the same country, whose check digits fit as the original's do; `None` if it
    /// is none.
    pub(super) fn iban(&mut self, original: &str) -> Option<String> {
        let compact = compact(original);
        let fits = checked(&compact) == Some(1);
        // Words of four letters can follow each other, too.
        if !fits && compact.bytes().filter(u8::is_ascii_digit).count() < 10 {
            return None;
        }
        Some(self.shaped(original, |compact, dice| {
            let other = |c: char| if c.is_ascii_digit() { dice.digit() } else { dice.letter() };
            let (country, rest) = compact.split_at(2.min(compact.len()));
            let account: String = rest.chars().skip(2).map(other).collect();
            let check = match checked(&format!("{country}00{account}")).filter(|_| fits) {
                Some(rest) => format!("{:02}", 98 - rest),
                None => format!("{}{}", dice.digit(), dice.digit()),
            };
            format!("{country}{check}{account}")
        }))
    }

    /// Something invented for a number or a code that may be written in several ways: with blanks, dashes or small letters
    /// it is the same. `make` gets its letters, in capitals, and digits, and gives as many.
    fn shaped(&mut self, original: &str, make: impl Fn(&str, &mut Dice) -> String) -> String {
        let compact = compact(original);
        let made = self.stand_in(&compact, |disguise| {
            disguise.numbers += 1;
            let mut dice = Dice(disguise.numbers as u64);
            // A short one may come out as it was.
            let other = std::iter::repeat_with(|| make(&compact, &mut dice)).take(5).find(|made| *made != compact);
            other.unwrap_or_else(|| compact.clone())
        });
        let made = in_shape(original, &made);
        self.known.insert(original.to_owned(), made.clone());
        made
    }

    /// A number of the same carrier whose check digit fits, or does not, as the original's does.
    pub(super) fn parcel(&mut self, number: &ParcelNumber, written: &str) -> String {
        let made = self.stand_in(&number.compact, |disguise| {
            disguise.numbers += 1;
            invented(number, disguise.numbers as u64)
        });
        if made == number.compact {
            self.doubts.push(Doubt { span: written.to_owned(), why: "a parcel number of which no like was found" });
        }
        in_shape(written, &made)
    }
}

/// A number like this one: the recogniser itself says what is.
pub(super) fn invented(number: &ParcelNumber, seed: u64) -> String {
    let original: Vec<char> = number.compact.chars().collect();
    let letters = original.iter().take_while(|c| c.is_ascii_alphabetic()).count();
    // What the format is known by stands at its beginning.
    let kept = if letters > 0 { letters } else { original.len().min(4).max(original.len() / 4) };
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9));
    for _ in 0..200 {
        let mut made: Vec<char> = original.clone();
        let places: Vec<usize> = (kept..made.len()).filter(|&at| made[at].is_ascii_digit()).collect();
        places.iter().for_each(|&at| made[at] = dice.digit());
        let Some((&last, _)) = places.split_last() else { break };
        for check in '0'..='9' {
            made[last] = check;
            let candidate: String = made.iter().collect();
            let found = parcel_numbers(&candidate);
            if let [found] = &found[..]
                && (found.carrier, found.check, &found.compact) == (number.carrier, number.check, &candidate)
                && candidate != number.compact
            {
                return candidate;
            }
        }
    }
    number.compact.clone()
}

/// The letters, in capitals, and the digits of a text.
pub(super) fn compact(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
}

/// What the number of a bank account leaves when it is divided as its check digits want it, which is 1 if they fit; `None`
/// for what has other characters.
pub(super) fn checked(iban: &str) -> Option<u32> {
    let (head, account) = iban.split_at_checked(4)?;
    let digits = account.chars().chain(head.chars()).map(|c| c.to_digit(36).filter(|_| c.is_ascii()));
    digits.into_iter().try_fold(0, |rest, digit| {
        let digit = digit?;
        Some((rest * if digit > 9 { 100 } else { 10 } + digit) % 97)
    })
}

/// What was made for a code, in the capitals of this one; for anything else as it is.
pub(super) fn as_written(written: &str, made: &str) -> String {
    let (one, other) = (compact(written), compact(made));
    let is_alike = |(a, b): (char, char)| a.is_ascii_digit() == b.is_ascii_digit();
    let is_code = one.contains(|c: char| c.is_ascii_digit())
        && one.chars().count() == other.chars().count()
        && one.chars().zip(other.chars()).all(is_alike);
    if is_code { in_shape(written, &other) } else { made.to_owned() }
}

/// The characters of `made` with the blanks, dashes and small letters of `written`.
pub(super) fn in_shape(written: &str, made: &str) -> String {
    let mut next = made.chars();
    let shaped = written.chars().map(|c| match c.is_alphanumeric() {
        true => match next.next() {
            Some(made) if c.is_lowercase() => made.to_ascii_lowercase(),
            Some(made) => made,
            None => c,
        },
        false => c,
    });
    shaped.collect()
}

/// The same digits every time: a recording that is written again is the same.
struct Dice(u64);

impl Dice {
    fn digit(&mut self) -> char {
        char::from(b'0' + u8::try_from(self.roll(10)).unwrap_or(0))
    }

    fn letter(&mut self) -> char {
        char::from(b'A' + u8::try_from(self.roll(26)).unwrap_or(0))
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

//! Which spellings of the content are one typing error away from a word.
//!
//! Two words that differ by one letter share a form: one of them, or it without a letter. So each spelling is kept under
//! all of its forms, and a word is looked for under its own (Wolf Garbe's "symmetric delete").

/// Shorter words have too many neighbours that are words themselves: "card" and "care", "lost" and "cost".
const SHORTEST: usize = 5;
/// Longer ones are pasted keys and addresses.
const LONGEST: usize = 30;
/// In a shorter word another letter makes another word more often than it is a slip: "truck" and "track".
const SHORTEST_REPLACED: usize = 7;

/// Spellings by their forms, in one piece: what was met is not looked through again while it grows.
#[derive(Default)]
pub struct Slips {
    /// How far a form's hash is shifted to give its bucket.
    shift: u32,
    /// Bucket → where it starts in `forms`; one more at the end.
    starts: Vec<u32>,
    /// The hash of a form, and the number of a spelling that has it.
    forms: Vec<(u32, u32)>,
}

impl Slips {
    /// Of spellings, each of which has the number that says how many stand before it.
    pub fn of<'a>(spellings: impl Iterator<Item = &'a str> + Clone) -> Slips {
        let mut met: Vec<(u32, u32)> = Vec::with_capacity(spellings.clone().map(str::len).sum());
        for (number, word) in (0..).zip(spellings) {
            each_form(word, |hash| met.push((hash, number)));
        }
        // About as many buckets as forms.
        let bits = met.len().max(2).next_power_of_two().ilog2().min(u32::BITS - 1);
        let shift = u32::BITS - bits;
        let mut starts = vec![0_u32; (1 << bits) + 1];
        met.iter().for_each(|(hash, _)| starts[(hash >> shift) as usize] += 1);
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        // Each form takes the last free place of its bucket, so at the end the bucket starts there.
        let mut forms = vec![(0, 0); met.len()];
        for form in met {
            let start = &mut starts[(form.0 >> shift) as usize];
            *start -= 1;
            forms[*start as usize] = form;
        }
        Slips { shift, starts, forms }
    }

    /// Gives the numbers of spellings that may be one slip away from a word, and of few others; the same one more than
    /// once.
    pub fn near(&self, word: &str, mut found: impl FnMut(u32)) {
        if self.forms.is_empty() {
            return;
        }
        each_form(word, |hash| {
            let bucket = (hash >> self.shift) as usize;
            let forms = &self.forms[self.starts[bucket] as usize..self.starts[bucket + 1] as usize];
            forms.iter().filter(|form| form.0 == hash).for_each(|form| found(form.1));
        });
    }
}

fn is_correctable(word: &str) -> bool {
    let letters = word.chars().count();
    (SHORTEST..=LONGEST).contains(&letters) && word.chars().all(char::is_alphabetic)
}

/// Hashes of a word itself and of it without one letter; none of a word that is not corrected. The first letter stays: it
/// is seldom mistyped, and without it "ghost" would be a "host".
///
/// A hash is the sum of each byte times the power of its place (Karp and Rabin), so what is left without a letter comes
/// from what stands before it and after it, and not from looking at all of it again. Nobody gains from equal hashes:
/// [`is_one_slip`] looks at the words.
fn each_form(word: &str, mut each: impl FnMut(u32)) {
    const BASE: u64 = 0x9E37_79B9_7F4A_7C15;
    const BY_BASE: u64 = inverse(BASE);
    const { assert!(BASE.wrapping_mul(BY_BASE) == 1) };
    if !is_correctable(word) {
        return;
    }
    let short = |hash: u64| ((hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9) >> 32) as u32;
    let mut values = [0; LONGEST * char::MAX_LEN_UTF8];
    let values = &mut values[..word.len()];
    let mut power = BASE;
    for (byte, value) in word.bytes().zip(&mut *values) {
        *value = power.wrapping_mul(u64::from(byte));
        power = power.wrapping_mul(BASE);
    }
    let whole = values.iter().fold(0, |sum: u64, value| sum.wrapping_add(*value));
    each(short(whole));
    let mut before: u64 = 0;
    for (at, c) in word.char_indices() {
        let letter = &values[at..at + c.len_utf8()];
        let through = letter.iter().fold(before, |sum, value| sum.wrapping_add(*value));
        if at > 0 {
            let moved = letter.iter().fold(whole.wrapping_sub(through), |after, _| after.wrapping_mul(BY_BASE));
            each(short(before.wrapping_add(moved)));
        }
        before = through;
    }
}

/// What an odd number times is 1, modulo 2^64 (Newton's way: each step doubles the bits that are right).
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut step = 0;
    while step < 5 {
        inverse = inverse.wrapping_mul(2_u64.wrapping_sub(odd.wrapping_mul(inverse)));
        step += 1;
    }
    inverse
}

/// Whether one letter too many, too few, another one (in a word long enough), or two neighbours swapped make one word
/// of the other: Damerau-Levenshtein distance 1.
pub fn is_one_slip(a: &str, b: &str) -> bool {
    let same_start: usize = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum();
    let (a, b): (&str, &str) = (&a[same_start..], &b[same_start..]);
    let (mut a_rest, mut b_rest) = (a.chars(), b.chars());
    let (first_a, first_b) = (a_rest.next(), b_rest.next());
    let (a1, b1) = (a_rest.as_str(), b_rest.as_str());
    if first_a.is_none() || first_b.is_none() {
        return a1.is_empty() && b1.is_empty();
    }
    let swapped = a_rest.next() == first_b && b_rest.next() == first_a && a_rest.as_str() == b_rest.as_str();
    let replaced = a1 == b1 && same_start + a.len() >= SHORTEST_REPLACED;
    a1 == b || a == b1 || replaced || swapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_the_same_whatever_letter_is_left_out() {
        let forms = |word: &str| {
            let mut forms = Vec::new();
            each_form(word, |hash| forms.push(hash));
            forms
        };
        let whole = |word: &str| forms(word)[0];
        // Without its second, third, … letter.
        for (word, without) in [
            ("delivery", ["dlivery", "deivery", "delvery", "deliery", "delivry", "delivey", "deliver"].as_slice()),
            ("посылка", &["псылка", "поылка", "послка", "посыка", "посыла", "посылк"]),
            ("größere", &["gößere", "grßere", "gröere", "größre", "größee", "größer"]),
        ] {
            let left: Vec<u32> = without.iter().map(|word| whole(word)).collect();
            assert_eq!(forms(word)[1..], left, "{word}");
        }
        for word in ["lost", "a1b2c3", &"a".repeat(LONGEST + 1), ""] {
            assert!(forms(word).is_empty(), "{word}");
        }
    }

    #[test]
    fn what_is_one_slip_away_is_near() {
        let words = ["parcel", "parcels", "delivery", "cancel", "straße", "посылка"];
        let slips = Slips::of(words.into_iter());
        let near = |word: &str| {
            let mut near = Vec::new();
            slips.near(word, |number| near.push(words[number as usize]));
            near.sort_unstable();
            near.dedup();
            near
        };
        for (word, expected) in [
            ("parcel", ["parcel", "parcels"].as_slice()),
            ("parcle", &["parcel"]),
            ("delovery", &["delivery"]),
            ("devlivery", &["delivery"]),
            ("strase", &["straße"]),
            ("посылк", &["посылка"]),
            ("arcel", &[]),
            ("weather", &[]),
        ] {
            assert_eq!(near(word), expected, "{word}");
        }
        Slips::default().near("parcel", |_| panic!("nothing is near"));
    }

    #[test]
    fn one_slip() {
        for (a, b, expected) in [
            ("parcel", "parcle", true),
            ("parcel", "parcl", true),
            ("parcel", "parcell", true),
            ("delivery", "delovery", true),
            ("track", "truck", false),
            ("parcel", "parcel", true),
            ("paket", "pakte", true),
            ("parcel", "pracle", false),
            ("parcel", "par", false),
            ("", "", true),
            ("", "a", true),
            ("a", "", true),
            ("ab", "", false),
        ] {
            assert_eq!(is_one_slip(a, b), expected, "{a} {b}");
            assert_eq!(is_one_slip(b, a), expected, "{b} {a}");
        }
    }
}

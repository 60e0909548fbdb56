//! What a search for a text finds: the same on both engines, whatever each of them makes of capitals and accents.
//! `koln` finds "Köln", `STRASSE` finds "Straße".
//!
//! MariaDB has a collation for that. SQLite's `LIKE` knows the letters of ASCII only; its `GLOB` takes sets of letters.

use std::collections::HashMap;
use std::sync::LazyLock;

use unicode_normalization::UnicodeNormalization;

use super::pool::Engine;

/// An expression that is true where `column` holds what is bound to its one parameter, a [`pattern`].
pub(super) fn holds(engine: &Engine, column: &str) -> String {
    // One letter against two is no match for either of them.
    let column = format!("REPLACE(REPLACE({column}, 'ß', 'ss'), 'ẞ', 'ss')");
    match engine {
        Engine::Lite(_) => format!("{column} GLOB ?"),
        Engine::Maria(_) => format!("{column} COLLATE utf8mb4_uca1400_ai_ci LIKE ? ESCAPE '!'"),
    }
}

/// What finds `search` anywhere in a text, and nothing but this.
pub(super) fn pattern(engine: &Engine, search: &str) -> String {
    let search: String = search.replace(['ß', 'ẞ'], "ss").nfc().collect();
    match engine {
        Engine::Lite(_) => glob(&search),
        Engine::Maria(_) => like(&search),
    }
}

fn like(search: &str) -> String {
    let mut pattern = String::from("%");
    for c in search.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

fn glob(search: &str) -> String {
    let mut pattern = String::from("*");
    for c in search.chars() {
        let mut same: Vec<char> = c.to_lowercase().chain(c.to_uppercase()).collect();
        same.extend(ACCENTED.get(&base(c)).into_iter().flatten());
        same.extend([c, base(c)]);
        same.sort_unstable();
        same.dedup();
        // Within a set `]` and `^` would be no letters; no letter is one of them.
        if same.len() > 1 || matches!(c, '*' | '?' | '[') {
            pattern.push('[');
            pattern.extend(same);
            pattern.push(']');
        } else {
            pattern.push(c);
        }
    }
    pattern.push('*');
    pattern
}

/// The small letter without its accents.
fn base(c: char) -> char {
    let plain = std::iter::once(c).nfd().next().unwrap_or(c);
    plain.to_lowercase().next().unwrap_or(plain)
}

/// The letters of Latin scripts, by what they are without accents.
static ACCENTED: LazyLock<HashMap<char, Vec<char>>> = LazyLock::new(|| {
    let mut accented: HashMap<char, Vec<char>> = HashMap::new();
    for c in ('A'..='z').chain('\u{c0}'..='\u{24f}').chain('\u{1e00}'..='\u{1eff}').filter(|c| c.is_alphabetic()) {
        accented.entry(base(c)).or_default().push(c);
    }
    accented
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_has_no_wildcards() {
        assert_eq!(like("50% off_now!"), "%50!% off!_now!!%");
        assert_eq!(glob("1*2?3[4]^5"), "*1[*]2[?]3[[]4]^5*");
    }

    #[test]
    fn a_letter_stands_for_its_kin() {
        let of = |c: &str| glob(c);
        for c in ["u", "U", "ü", "Ü"] {
            assert!(["u", "U", "ü", "Ü", "ǖ"].iter().all(|kin| of(c).contains(kin)), "{c}: {}", of(c));
        }
        assert_eq!(of("я"), of("Я"));
        assert_eq!(of("件7"), "*件7*");
    }
}

//! Names of files, as their senders have them.

use crate::conversation::Media;

/// The longest name without its ending, in characters.
const LONGEST: usize = 80;

/// A name without a path and without what cannot be seen or turns the writing around, which ends as the type says. Marks
/// that mean something elsewhere, such as `<`, stay: a name is text wherever it is shown.
pub(super) fn clean(name: &str, media: Media) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let seen = |c: char| if c.is_control() || c.is_whitespace() { ' ' } else { c };
    let text: String = last.chars().filter(|c| !is_hidden(*c)).map(seen).collect();
    let stem =
        text.rsplit_once('.').filter(|(stem, end)| !stem.is_empty() && end.len() <= 5).map_or(&*text, |(stem, _)| stem);
    let words: Vec<&str> = stem.split(' ').filter(|word| !word.is_empty()).collect();
    let stem: String = words.join(" ").chars().take(LONGEST).collect();
    let stem = match stem.trim_matches([' ', '.']) {
        "" if media.is_picture() => "picture",
        "" => "document",
        stem => stem,
    };
    format!("{stem}.{}", media.ending())
}

/// Marks without a shape of their own: they join, break, or turn around what stands beside them.
fn is_hidden(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_name_and_nothing_else() {
        for (name, media, expected) in [
            ("photo.JPG", Media::Jpeg, "photo.jpg"),
            ("photo.png", Media::Jpeg, "photo.jpg"),
            ("../../etc/passwd", Media::Png, "passwd.png"),
            ("C:\\Users\\me\\box.heic", Media::Jpeg, "box.jpg"),
            ("invoice.pdf.exe", Media::Pdf, "invoice.pdf.pdf"),
            ("gpj.\u{202e}exe", Media::Jpeg, "gpj.jpg"),
            ("a\r\nContent-Type: text\r\n.png", Media::Png, "a Content-Type: text.png"),
            ("  ", Media::Pdf, "document.pdf"),
            ("", Media::Png, "picture.png"),
            ("..", Media::Png, "picture.png"),
            (".htaccess", Media::Png, "htaccess.png"),
            ("<img src=x onerror=alert(1)>.png", Media::Png, "<img src=x onerror=alert(1)>.png"),
            ("Paket für Ömer 📦.jpeg", Media::Jpeg, "Paket für Ömer 📦.jpg"),
        ] {
            assert_eq!(clean(name, media), expected, "{name:?}");
        }
        assert_eq!(clean(&"x".repeat(500), Media::Png).chars().count(), LONGEST + 4);
    }
}

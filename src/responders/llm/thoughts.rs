//! What a model thinks before it answers, where its server does not tell that apart: between marks, at the beginning of
//! the text. Nobody but the model itself is meant to read it.

/// How thoughts begin and end, as models are taught to mark them.
const MARKS: [(&str, &str); 7] = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
];

/// What is known of the thoughts before an answer.
#[derive(Debug, Default)]
pub(super) struct Thoughts {
    /// The mark that ends them, after one that began them.
    end: Option<&'static str>,
}

impl Thoughts {
    /// Whether they have begun and not ended: nothing of what there is is an answer.
    pub fn go_on(&self) -> bool {
        self.end.is_some()
    }

    /// Takes thoughts out of the beginning of an answer, of which there is this much. Where a prompt begins them, only
    /// their end is marked: then all before it was thought, so what is left may still turn out to be.
    pub fn take_out(&mut self, text: &mut String) {
        loop {
            let ends = match self.end {
                Some(end) => text.find(end).map(|at| at + end.len()),
                None => MARKS.iter().filter_map(|(_, end)| Some(text.find(end)? + end.len())).min(),
            };
            if let Some(ends) = ends {
                text.drain(..ends);
                self.end = None;
            } else if let Some(end) = self.end {
                // The mark may have begun.
                let keep = text.char_indices().map(|(at, _)| at).find(|at| text.len() - at < end.len());
                text.drain(..keep.unwrap_or(text.len()));
                return;
            } else {
                let begun = MARKS.iter().find(|(begin, _)| text.trim_start().starts_with(begin));
                let Some((_, end)) = begun else { return };
                self.end = Some(end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_taken_out_however_they_come() {
        for (text, left) in [
            ("<think>\nThey want [1].\n</think>\n\n[1] Yes", "\n\n[1] Yes"),
            (" <thinking>so</thinking><think>é◁</think>[1] Yes", "[1] Yes"),
            ("[THINK]so[/THINK][1] Yes", "[1] Yes"),
            ("◁think▷é◁/think▷[1] Yes", "[1] Yes"),
            ("They want [1] to say so.\n</think>[2] Yes", "[2] Yes"),
            ("<think>They want", ""),
            ("[1] I think so", "[1] I think so"),
            ("", ""),
        ] {
            for each in 1..=text.len().max(1) {
                let (mut thoughts, mut rest) = (Thoughts::default(), String::new());
                let mut letters = text.chars().peekable();
                while letters.peek().is_some() {
                    rest.extend(letters.by_ref().take(each));
                    thoughts.take_out(&mut rest);
                }
                let kept = if thoughts.go_on() { "" } else { rest.as_str() };
                assert_eq!(kept, left, "{text:?} by {each}");
            }
        }
    }
}

//! Groups of words that mean one thing: "my stuff", "pick it up".
//!
//! A tree whose steps are stems. Nearly no word of a message begins a group, and one look says so.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::spelling::Stem;

/// What sequences of stems stand for.
pub struct Groups<T> {
    /// Stem → where the groups lead that begin with it.
    first: Vec<Option<Node>>,
    /// A node and the next stem → where that leads.
    next: HashMap<(Node, Stem), Node, FixedState>,
    /// Node → what the stems up to it stand for.
    meant: Vec<Option<T>>,
}

type Node = u32;

impl<T> Default for Groups<T> {
    fn default() -> Groups<T> {
        Groups { first: Vec::new(), next: HashMap::default(), meant: Vec::new() }
    }
}

impl<T: Copy> Groups<T> {
    /// A group stands for this, unless it already stands for something.
    pub fn add(&mut self, group: &[Stem], meaning: T) {
        let [first, rest @ ..] = group else { return };
        let first = *first as usize;
        self.first.resize(self.first.len().max(first + 1), None);
        let new = |meant: &mut Vec<Option<T>>| {
            meant.push(None);
            (meant.len() - 1) as Node
        };
        let mut node = *self.first[first].get_or_insert_with(|| new(&mut self.meant));
        for &stem in rest {
            node = *self.next.entry((node, stem)).or_insert_with(|| new(&mut self.meant));
        }
        self.meant[node as usize].get_or_insert(meaning);
    }

    /// The longest group that these stems begin with: how many they are, and what they stand for.
    pub fn longest(&self, mut stems: impl Iterator<Item = Stem>) -> Option<(usize, T)> {
        let mut node = (*self.first.get(stems.next()? as usize)?)?;
        let mut longest = self.meant[node as usize].map(|meant| (1, meant));
        for (before, stem) in (1..).zip(stems) {
            let Some(&next) = self.next.get(&(node, stem)) else { break };
            node = next;
            longest = self.meant[node as usize].map(|meant| (before + 1, meant)).or(longest);
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_group_wins() {
        let mut groups = Groups::default();
        for (group, name) in
            [(&[1, 2][..], "a"), (&[1, 2, 3, 4], "b"), (&[2, 3], "c"), (&[1, 2], "late"), (&[], "none")]
        {
            groups.add(group, name);
        }
        for (stems, expected) in [
            (&[1, 2, 3, 4, 5][..], Some((4, "b"))),
            (&[1, 2, 3, 5], Some((2, "a"))),
            (&[1, 3], None),
            (&[1], None),
            (&[2, 3], Some((2, "c"))),
            (&[3, 1, 2], None),
            (&[9], None),
            (&[], None),
        ] {
            assert_eq!(groups.longest(stems.iter().copied()), expected, "{stems:?}");
        }
    }
}

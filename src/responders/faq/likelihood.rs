//! How likely each class (an entry, or "not ours") is, given what a message says.
//!
//! A multinomial naive Bayes over concepts and their neighbours, then sharpened: the counts alone take every word as
//! a witness of its own ("delivery" and "date" count twice for what is one thing), so a few passes over the same
//! wordings move weight from words that several classes share to those that tell them apart (softmax regression,
//! started at the counts). Nothing in it is random, so the same content always gives the same numbers.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::said::Said;
use super::words::Concept;

/// A number given to everything that can speak for a class: a concept, or two concepts together.
type Feature = u32;

/// Two concepts and what they are to each other, in one number.
type Pair = u64;

/// Two that stand near each other in either order, ignored words between them left out: "cancel my order", "order
/// cancelled".
fn near(a: Concept, b: Concept) -> Pair {
    u64::from(a.min(b)) << 33 | u64::from(a.max(b))
}

/// Directly one after the other, ignored words too: "do I", "where is".
fn sequence(a: Concept, b: Concept) -> Pair {
    u64::from(a) << 33 | 1 << 32 | u64::from(b)
}

/// Pairs are small numbers that no visitor can choose: one multiplication spreads them enough.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(32);
    }
}

type Pairs = HashMap<Pair, Feature, BuildHasherDefault<Spread>>;

// What a feature counts beside a concept (1). Tried from 0 to 1 on held-out questions; flat around these values.
/// Ignored words tell "where is" from "how do I", but only a little.
const IGNORED: f32 = 0.4;
const NEIGHBOURS: f32 = 0.7;
/// With one concept between them.
const APART: f32 = 0.3;
const SEQUENCE: f32 = 0.4;
/// A word that nobody knows speaks for no class, but it takes a part of what a message says.
const UNKNOWN: f32 = 0.5;
/// A rare concept counts a little more than one of all entries.
const RARITY_POWER: f32 = 0.2;

/// Added to every count, so that a word seen once is no proof.
const SMOOTHING: f32 = 0.1;
/// Weight of the counts before sharpening. With features of unit length a sum is too timid by about this factor.
const SCALE: f32 = 2.0;
/// More passes gain nothing on held-out questions; with two fewer are answered.
const PASSES: usize = 3;
/// A wording whose class is this likely has nothing more to teach.
const LEARNED: f32 = 0.9;
/// The first pass takes whole steps, later ones a tenth smaller each.
const SLOWER: f32 = 0.1;
/// A feature keeps its weights for this many classes, the strongest. A word of more classes tells little about any of
/// them, and thus neither time nor memory grows with the number of entries.
const MOST_CLASSES: usize = 12;

/// A class this far below (as a logarithm) has no likelihood to speak of: its exponential is not worth computing.
const NEGLIGIBLE: f32 = -9.0;

/// Which classes each feature speaks for, and how strongly.
pub struct Likelihood {
    classes: usize,
    /// Concept → what it counts.
    counts: Vec<Count>,
    pairs: Pairs,
    /// Feature → where its weights start; one more at the end.
    starts: Vec<u32>,
    weights: Vec<Weight>,
}

#[derive(Clone, Copy)]
struct Weight {
    class: u32,
    weight: f32,
}

/// The classes that a message speaks for: sparse sums, kept and used again.
#[derive(Default)]
pub struct Tally {
    features: Vec<(Feature, f32)>,
    /// Class → its sum; no number, if it is not touched.
    sums: Vec<f32>,
    /// The first `count` are the classes that are touched. There is room for all, and for one that is not counted.
    touched: Vec<u32>,
    count: usize,
    /// Logarithm of the sum over all classes of e^sum.
    log_total: f32,
}

impl Tally {
    /// The touched classes and their sums.
    pub fn sums(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        self.touched().iter().map(|&class| (class as usize, self.sum(class)))
    }

    fn touched(&self) -> &[u32] {
        &self.touched[..self.count]
    }

    /// The posterior of a class that has this sum.
    pub fn likelihood(&self, sum: f32) -> f32 {
        (sum - self.log_total).exp()
    }

    /// About the sum of a class that has this posterior.
    pub fn sum_of(&self, likelihood: f32) -> f32 {
        self.log_total + likelihood.ln()
    }

    /// The sum of a class; of one that nothing speaks for it is 0.
    fn sum(&self, class: u32) -> f32 {
        let sum = self.sums[class as usize];
        if sum.is_nan() { 0.0 } else { sum }
    }

    /// Adds what a feature says. Whether a class is touched for the first time is a toss-up, so nothing branches on it.
    fn add(&mut self, weights: &[Weight], value: f32) {
        let Tally { sums, touched, count, .. } = self;
        for &Weight { class, weight } in weights {
            let sum = &mut sums[class as usize];
            let is_first = sum.is_nan();
            touched[*count] = class;
            *count += usize::from(is_first);
            *sum = if is_first { 0.0 } else { *sum } + weight * value;
        }
    }

    fn clear(&mut self, classes: usize) {
        let Tally { sums, touched, count, .. } = self;
        touched[..*count].iter().for_each(|&class| sums[class as usize] = f32::NAN);
        *count = 0;
        if sums.len() < classes {
            sums.resize(classes, f32::NAN);
            touched.resize(classes + 1, 0);
        }
    }

    fn finish(&mut self, classes: usize) {
        let most = self.sums().map(|(_, sum)| sum).fold(0.0, f32::max);
        let total: f32 = self.sums().map(|(_, sum)| sum - most).filter(|&below| below > NEGLIGIBLE).map(f32::exp).sum();
        self.log_total = most + (total + self.untouched(classes, most)).ln();
    }

    /// Makes likelihoods of the sums of the touched classes.
    fn make_likelihoods(&mut self, classes: usize) {
        let most = self.sums().map(|(_, sum)| sum).fold(0.0, f32::max);
        let mut total = self.untouched(classes, most);
        let Tally { sums, touched, count, .. } = self;
        for &class in &touched[..*count] {
            let sum = &mut sums[class as usize];
            *sum = if *sum - most > NEGLIGIBLE { (*sum - most).exp() } else { 0.0 };
            total += *sum;
        }
        touched[..*count].iter().for_each(|&class| sums[class as usize] /= total);
    }

    /// What the classes that nothing speaks for add to the sum over all of e^(sum - most).
    fn untouched(&self, classes: usize, most: f32) -> f32 {
        (classes - self.count) as f32 * (-most).exp()
    }
}

/// What a concept counts, by its rarity.
#[derive(Clone, Copy)]
struct Count {
    alone: f32,
    /// Its part of what a pair counts.
    paired: f32,
}

impl Count {
    fn of(rarity: f32) -> Count {
        let alone = rarity.powf(RARITY_POWER);
        Count { alone, paired: alone.sqrt() }
    }
}

/// The wordings of all classes, those of one class one after the other.
#[derive(Default)]
struct Examples {
    classes: Vec<u32>,
    /// Where the features of each end.
    ends: Vec<usize>,
    features: Vec<(Feature, f32)>,
}

/// A wording of a class.
#[derive(Clone, Copy)]
struct Example<'a> {
    class: u32,
    features: &'a [(Feature, f32)],
}

impl Examples {
    fn add(&mut self, class: usize, features: &[(Feature, f32)]) {
        self.classes.push(class as u32);
        self.features.extend_from_slice(features);
        self.ends.push(self.features.len());
    }

    fn at(&self, row: usize) -> Example<'_> {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        Example { class: self.classes[row], features: &self.features[start..self.ends[row]] }
    }

    fn iter(&self) -> impl Iterator<Item = Example<'_>> {
        (0..self.classes.len()).map(|row| self.at(row))
    }
}

impl Likelihood {
    /// Learns from what the wordings of each class say, class by class. `rarity` is that of each concept.
    pub fn learn<'a>(
        wordings: impl Iterator<Item = (usize, Said<'a>)> + Clone,
        rarity: &[f32],
        classes: usize,
    ) -> Likelihood {
        let counts: Vec<Count> = rarity.iter().map(|&rarity| Count::of(rarity)).collect();
        let (mut pairs, mut tally) = (Pairs::default(), Tally::default());
        let concepts = rarity.len();
        let mut examples = Examples::default();
        examples.features.reserve(wordings.clone().map(|(_, said)| most_features(said)).sum());
        for (class, said) in wordings {
            each_feature(said, &counts, &mut tally.features, |pair| {
                let next = (concepts + pairs.len()) as Feature;
                Some(*pairs.entry(pair).or_insert(next))
            });
            examples.add(class, &tally.features);
        }
        let (starts, weights) = count(&examples, concepts + pairs.len(), classes);
        let mut likelihood = Likelihood { classes, counts, pairs, starts, weights };
        let mut lesson = one_of_each_in_turn(&examples.classes, classes);
        for pass in 0..PASSES {
            let step = 1.0 / (1.0 + SLOWER * pass as f32);
            lesson.retain(|&row| likelihood.sharpen(examples.at(row), step, &mut tally) < LEARNED);
        }
        likelihood
    }

    /// Tallies what a message says.
    pub fn tally(&self, said: Said<'_>, tally: &mut Tally) {
        tally.clear(self.classes);
        let mut features = std::mem::take(&mut tally.features);
        each_feature(said, &self.counts, &mut features, |pair| self.pairs.get(&pair).copied());
        for &(feature, value) in &features {
            tally.add(self.weights_of(feature), value);
        }
        tally.features = features;
        tally.finish(self.classes);
    }

    fn weights_of(&self, feature: Feature) -> &[Weight] {
        &self.weights[self.range(feature)]
    }

    fn range(&self, feature: Feature) -> std::ops::Range<usize> {
        self.starts[feature as usize] as usize..self.starts[feature as usize + 1] as usize
    }

    /// One step towards giving this example to its class; tells how likely that was before.
    fn sharpen(&mut self, example: Example, step: f32, tally: &mut Tally) -> f32 {
        tally.clear(self.classes);
        for &(feature, value) in example.features {
            tally.add(self.weights_of(feature), value);
        }
        tally.make_likelihoods(self.classes);
        let likelihood = tally.sum(example.class);
        if likelihood >= LEARNED {
            return likelihood;
        }
        let Tally { sums, touched, count, .. } = &mut *tally;
        for &class in &touched[..*count] {
            let sum = &mut sums[class as usize];
            *sum = f32::from(class == example.class) - *sum;
        }
        for &(feature, value) in example.features {
            let range = self.range(feature);
            for weight in &mut self.weights[range] {
                weight.weight += step * value * tally.sum(weight.class);
            }
        }
        likelihood
    }
}

/// The order to learn in: the first wording of every class, then the second of every class…
fn one_of_each_in_turn(class_of: &[u32], classes: usize) -> Vec<usize> {
    let mut taken = vec![0_u32; classes];
    let order = class_of.iter().enumerate().map(|(row, &class)| {
        let turn = &mut taken[class as usize];
        *turn += 1;
        (*turn, row)
    });
    let mut order: Vec<(u32, usize)> = order.collect();
    order.sort_unstable();
    order.into_iter().map(|(_, row)| row).collect()
}

/// The naive Bayes weights: how much more likely a feature is in a class than anywhere. Gives where those of each feature
/// start, and all of them.
fn count(examples: &Examples, features: usize, classes: usize) -> (Vec<u32>, Vec<Weight>) {
    let mut by_class = vec![0.0; classes];
    let (ends, seen) = by_feature(examples, features);
    for Example { class, features } in examples.iter() {
        features.iter().for_each(|(_, value)| by_class[class as usize] += value);
    }
    let all: f32 = by_class.iter().sum();
    let (mut starts, mut flat, mut start) = (vec![0], Vec::new(), 0);
    let mut weights: Vec<Weight> = Vec::new();
    for end in ends {
        weights.clear();
        for &Weight { class, weight } in &seen[std::mem::replace(&mut start, end)..end] {
            match weights.last_mut() {
                Some(last) if last.class == class => last.weight += weight,
                _ => weights.push(Weight { class, weight }),
            }
        }
        let anywhere: f32 = weights.iter().map(|weight| weight.weight).sum();
        let expected = (anywhere + SMOOTHING * classes as f32) / (all + SMOOTHING * (features * classes) as f32);
        for weight in &mut weights {
            let inside = (weight.weight + SMOOTHING) / (by_class[weight.class as usize] + SMOOTHING * features as f32);
            weight.weight = SCALE * (inside / expected).ln();
        }
        weights.sort_unstable_by(|a, b| b.weight.total_cmp(&a.weight).then(a.class.cmp(&b.class)));
        flat.extend(weights.iter().take(MOST_CLASSES));
        starts.push(flat.len() as u32);
    }
    (starts, flat)
}

/// What each wording counts for each of its features, sorted by feature and class: where those of a feature end, and all
/// of them.
fn by_feature(examples: &Examples, features: usize) -> (Vec<usize>, Vec<Weight>) {
    let mut next = vec![0; features + 1];
    examples.features.iter().for_each(|&(feature, _)| next[feature as usize + 1] += 1);
    for feature in 0..features {
        next[feature + 1] += next[feature];
    }
    let mut sorted = vec![Weight { class: 0, weight: 0.0 }; examples.features.len()];
    for Example { class, features } in examples.iter() {
        for &(feature, weight) in features {
            let at = &mut next[feature as usize];
            sorted[*at] = Weight { class, weight };
            *at += 1;
        }
    }
    // Where the next one would stand is where they end.
    next.pop();
    (next, sorted)
}

/// No text has more features.
fn most_features(said: Said<'_>) -> usize {
    3 * said.concepts.len() + said.ignored.len() + said.spoken.len()
}

/// What a message says, as features of unit length: a long message is not surer than a short one.
fn each_feature(
    said: Said<'_>,
    counts: &[Count],
    features: &mut Vec<(Feature, f32)>,
    mut index: impl FnMut(Pair) -> Option<Feature>,
) {
    let pair = |a: Concept, b: Concept| counts[a as usize].paired * counts[b as usize].paired;
    features.clear();
    features.extend(said.concepts.iter().map(|&concept| (concept, counts[concept as usize].alone)));
    features.extend(said.ignored.iter().map(|&concept| (concept, IGNORED)));
    for (distance, value) in [(1, NEIGHBOURS), (2, APART)] {
        for (&a, &b) in said.concepts.iter().zip(said.concepts.iter().skip(distance)) {
            features.extend(index(near(a, b)).map(|feature| (feature, value * pair(a, b))));
        }
    }
    for two in said.spoken.windows(2) {
        let [(first, is_ignored), (second, too)] = [two[0], two[1]];
        if is_ignored || too {
            features.extend(index(sequence(first, second)).map(|feature| (feature, SEQUENCE)));
        }
    }
    let unknown = UNKNOWN * said.unknown as f32;
    let length = (features.iter().map(|(_, value)| value * value).sum::<f32>() + unknown).sqrt();
    features.iter_mut().for_each(|(_, value)| *value /= length);
}

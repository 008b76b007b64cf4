//! Two id sequences, before and after an edit: is there an edit?
//!
//! A *phantom edit* changes the ids and nothing that a reader sees. How closely readers look is the
//! level ([`crate::surface`]); [`Comparison::level`] is the lowest at which the texts agree. Blocks
//! lie between borders that both sequences have: at level 0 and 1 in the bytes, above that in the
//! characters that are not white space, so that white space may come and go. Where the texts agree
//! at no level, blocks are cut where they are still the same from the start and from the end.
//!
//! A special token against its literal text is its own verdict: the texts agree, and a model reads
//! something else altogether.
//!
//! Cost: linear, some passes over both texts.

use std::ops::Range;

use tokseam_bpe::Error;
use tokseam_bpe::Tokenizer;
use tokseam_bpe::model::Kind;

use crate::border::{Common, Region, for_each_region};
use crate::judge::byte_places;
use crate::label::{Labels, Side, label};
use crate::map::Map;
use crate::surface::{Stream, lowest_level};

pub use crate::label::Class;

/// What an edit was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The ids are the same.
    Unchanged,
    /// The ids are not the same, and the text is.
    Phantom,
    /// The text is not the same.
    Replaced,
    /// The text is the same, but a special token stands for its literal or the other way round.
    SpecialLiteral,
}

impl Verdict {
    /// The name of the verdict.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Phantom => "phantom",
            Self::Replaced => "replaced",
            Self::SpecialLiteral => "special-literal",
        }
    }
}

/// A smallest range in which two sequences differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Tokens before.
    pub tokens: Range<usize>,
    /// Their bytes in what the ids before decode to.
    pub bytes: Range<usize>,
    /// Tokens after.
    pub other: Range<usize>,
    /// The lowest level at which the two sides agree.
    pub level: Option<u8>,
    /// The labels, rising.
    pub labels: Vec<u8>,
    /// The classes, each once.
    pub classes: Vec<Class>,
    /// Borders between characters of the block that only the side before has.
    pub lost: usize,
    /// Borders that only the side after has.
    pub gained: usize,
}

/// Two sequences compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What the edit was.
    pub verdict: Verdict,
    /// The lowest level at which the texts agree.
    pub level: Option<u8>,
    /// Where the ids differ.
    pub blocks: Vec<Block>,
    /// The labels of all blocks, rising.
    pub labels: Vec<u8>,
    /// Where the tokens went.
    pub map: Map,
}

/// A sequence and its text.
struct Sequence<'i> {
    ids: &'i [u32],
    text: Vec<u8>,
    places: Vec<usize>,
    specials: Vec<u32>,
}

impl<'i> Sequence<'i> {
    fn new(tokenizer: &Tokenizer, ids: &'i [u32]) -> Result<Self, Error> {
        let specials = ids.iter().copied();
        let specials = specials.filter(|id| tokenizer.special_ids().contains(id));
        Ok(Self {
            ids,
            text: tokenizer.decode_bytes(ids)?,
            places: byte_places(tokenizer, ids)?,
            specials: specials.collect(),
        })
    }

    fn bytes(&self, tokens: &Range<usize>) -> Range<usize> {
        self.places[tokens.start]..self.places[tokens.end]
    }

    fn side(&self, tokens: &Range<usize>) -> Side<'_> {
        let bytes = self.bytes(tokens);
        let borders = self.places[tokens.start..=tokens.end].iter();
        Side {
            borders: borders.map(|place| place - bytes.start).collect(),
            text: &self.text[bytes],
        }
    }
}

/// Compares two sequences; texts that agree at `level` or below are the same.
///
/// # Errors
/// [`Error::UnknownToken`] for an id without a token.
pub fn compare(
    tokenizer: &Tokenizer,
    before: &[u32],
    after: &[u32],
    level: u8,
) -> Result<Comparison, Error> {
    let old = Sequence::new(tokenizer, before)?;
    let new = Sequence::new(tokenizer, after)?;
    if before == after {
        return Ok(Comparison {
            verdict: Verdict::Unchanged,
            level: Some(0),
            blocks: Vec::new(),
            labels: Vec::new(),
            map: Map::new(Vec::new(), before.len(), after.len()),
        });
    }
    let lowest = lowest_level(&old.text, &new.text);
    let mut regions = regions(&old, &new, lowest);
    regions.retain(|region| old.ids[region.old.clone()] != new.ids[region.new.clone()]);
    let mut blocks = Vec::with_capacity(regions.len());
    for region in regions {
        blocks.push(block(
            tokenizer,
            &old,
            &new,
            trimmed(&old, &new, region),
            level,
        ));
    }
    let mut labels: Vec<u8> = blocks
        .iter()
        .flat_map(|block| block.labels.clone())
        .collect();
    labels.sort_unstable();
    labels.dedup();
    let is_same = lowest.is_some_and(|lowest| lowest <= level);
    let verdict = match is_same {
        true if old.specials != new.specials => Verdict::SpecialLiteral,
        true => Verdict::Phantom,
        false => Verdict::Replaced,
    };
    let changes = blocks
        .iter()
        .map(|block| (block.tokens.clone(), block.other.clone()));
    let map = Map::new(changes.collect(), before.len(), after.len());
    Ok(Comparison {
        verdict,
        level: lowest,
        blocks,
        labels,
        map,
    })
}

/// The regions between common borders.
fn regions(old: &Sequence, new: &Sequence, lowest: Option<u8>) -> Vec<Region> {
    let mut found = Vec::new();
    let mut visit = |region| found.push(region);
    if lowest == Some(0) {
        let common = Common::new(&old.text, &new.text);
        for_each_region(&old.places, &new.places, &common, &mut visit);
    } else {
        let level = lowest.unwrap_or(2).max(2);
        let old = Stream::new(&old.text, &old.places, level);
        let new = Stream::new(&new.text, &new.places, level);
        let common = Common::new(&old.units, &new.units).scaled(2);
        for_each_region(&old.borders, &new.borders, &common, &mut visit);
    }
    found
}

/// A region without the tokens that both sides start or end with.
fn trimmed(old: &Sequence, new: &Sequence, mut region: Region) -> Region {
    let (left, right) = (&old.ids[region.old.clone()], &new.ids[region.new.clone()]);
    let start = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    let rest = left.len().min(right.len()) - start;
    let ends = left.iter().rev().zip(right.iter().rev()).take(rest);
    let end = ends.take_while(|(a, b)| a == b).count();
    region.old = region.old.start + start..region.old.end - end;
    region.new = region.new.start + start..region.new.end - end;
    region
}

fn block(
    tokenizer: &Tokenizer,
    old: &Sequence,
    new: &Sequence,
    region: Region,
    highest: u8,
) -> Block {
    let (left, right) = (old.side(&region.old), new.side(&region.new));
    let level = lowest_level(left.text, right.text);
    let bytes = old.bytes(&region.old);
    let mut found = match level.filter(|&level| level <= highest) {
        Some(level) => label(&left, &right, level, &old.text, bytes.start),
        None => Labels::default(),
    };
    let ids = [&old.ids[region.old.clone()], &new.ids[region.new.clone()]];
    let specials = ids.map(|ids| {
        let all = ids.iter().filter(|id| tokenizer.special_ids().contains(id));
        all.collect::<Vec<_>>()
    });
    if level.is_some() && specials[0] != specials[1] {
        found.numbers.clear();
        found.classes = vec![Class::SpecialLiteral];
    }
    if let Kind::Characters {
        fallback: Some(bytes),
    } = &tokenizer.model().kind
    {
        let count = |ids: &[u32]| ids.iter().filter(|id| bytes.contains(id)).count();
        if level.is_some() && count(ids[0]) != count(ids[1]) {
            found.classes.push(Class::ByteFallback);
            found.classes.sort_unstable();
        }
    }
    Block {
        bytes,
        tokens: region.old,
        other: region.new,
        level,
        labels: found.numbers,
        classes: found.classes,
        lost: found.lost,
        gained: found.gained,
    }
}

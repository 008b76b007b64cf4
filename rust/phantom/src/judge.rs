//! Whether ids are what encoding gives, where they are not, and what it gives instead.
//!
//! Special ids cut the ids into runs; a run is *canonical* if encoding what it decodes to gives it
//! back. A *block* is a smallest range of tokens in which a run and its encoding differ, between
//! two borders that both have. Ids are *undetermined* if they are not canonical but start the
//! encoding of some text, and *broken* if they do not.
//!
//! Ids count as finished, with one exception: where they end inside a character, only blocks that
//! no continuation can heal are found. A run that is not UTF-8 is compared with the encoding of its
//! bytes; if nothing differs, the block is that of the tokens with invalid bytes.
//!
//! Invariant: what [`find`] finds, put in the place of what is there, is [`canonicalize`]; finished
//! ids without blocks are canonical.
//!
//! Cost: encoding once, and a step a token where something differs.

use std::ops::Range;

use tokseam_bpe::Error;
use tokseam_bpe::Tokenizer;
use tokseam_bpe::canonical::Reason;

use crate::border::{Common, Region, for_each_region, places};
use crate::frontier::{Frontier, Tokens};
use crate::map::Map;

/// A smallest range of tokens that encoding would have cut otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Tokens of the ids that were judged.
    pub tokens: Range<usize>,
    /// Their bytes in what all the ids decode to.
    pub bytes: Range<usize>,
    /// What encoding gives instead.
    pub canonical: Vec<u32>,
    /// Why.
    pub reason: Reason,
}

/// What ids are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// What encoding gives.
    Canonical,
    /// The start of an encoding.
    Undetermined,
    /// Neither; with the first token that encoding would not have put there.
    Broken(usize, Reason),
}

/// The encoding of a run, and where it differs.
struct Comparison {
    canonical: Vec<u32>,
    differences: Vec<(Region, Reason)>,
}

/// Judges ids. `tick` is called now and then; when it returns false the work stops and the result
/// is `None`.
///
/// # Errors
/// [`Error::UnknownToken`] for an id without a token; [`Error::Unsupported`] where the ids are not
/// canonical and a component of the tokenizer is not known well enough to say more.
pub fn judge(
    tokenizer: &Tokenizer,
    ids: &[u32],
    tick: &mut dyn FnMut() -> bool,
) -> Result<Option<Judgement>, Error> {
    if tokenizer.is_canonical(ids)? {
        return Ok(Some(Judgement::Canonical));
    }
    let Some(place) = tokenizer.first_inadmissible(ids, tick)? else {
        return Ok(None);
    };
    let Some(place) = place else {
        return Ok(Some(Judgement::Undetermined));
    };
    let blocks = find_blocks(tokenizer, ids, true)?;
    Ok(Some(match blocks.first() {
        Some(block) => Judgement::Broken(block.tokens.start, block.reason),
        None => Judgement::Broken(place, Reason::Pair),
    }))
}

/// The blocks of ids.
///
/// # Errors
/// As [`judge`].
pub fn find(tokenizer: &Tokenizer, ids: &[u32]) -> Result<Vec<Block>, Error> {
    if tokenizer.is_canonical(ids)? {
        return Ok(Vec::new());
    }
    find_blocks(tokenizer, ids, false)
}

/// The ids with each block replaced, and where the old ids went.
///
/// # Errors
/// As [`judge`].
pub fn canonicalize(tokenizer: &Tokenizer, ids: &[u32]) -> Result<(Vec<u32>, Map), Error> {
    let blocks = find(tokenizer, ids)?;
    let mut out = Vec::with_capacity(ids.len());
    let mut changes = Vec::with_capacity(blocks.len());
    let mut from = 0;
    for block in blocks {
        out.extend_from_slice(&ids[from..block.tokens.start]);
        let start = out.len();
        out.extend_from_slice(&block.canonical);
        from = block.tokens.end;
        changes.push((block.tokens, start..out.len()));
    }
    out.extend_from_slice(&ids[from..]);
    let map = Map::new(changes, ids.len(), out.len());
    Ok((out, map))
}

/// [`find`] without the fast way; `eager` takes what is open at the end too if nothing else is
/// there.
fn find_blocks(tokenizer: &Tokenizer, ids: &[u32], eager: bool) -> Result<Vec<Block>, Error> {
    let mut found = Vec::new();
    for run in tokenizer.runs(ids) {
        let start = run.start;
        let is_last = run.end == ids.len();
        let eager = eager && found.is_empty();
        for mut block in find_in_run(tokenizer, &ids[run], is_last, eager)? {
            block.tokens = start + block.tokens.start..start + block.tokens.end;
            found.push(block);
        }
    }
    if found.is_empty() {
        return Ok(found);
    }
    let places = byte_places(tokenizer, ids)?;
    for block in &mut found {
        block.bytes = places[block.tokens.start]..places[block.tokens.end];
    }
    Ok(found)
}

/// The blocks of a run, without their bytes; more may follow if it is `open`.
pub(crate) fn find_in_run(
    tokenizer: &Tokenizer,
    run: &[u32],
    open: bool,
    eager: bool,
) -> Result<Vec<Block>, Error> {
    let comparison = compare_run(tokenizer, run)?;
    let mut differences = comparison.differences;
    if open && !differences.is_empty() && is_cut(&tokenizer.decode_bytes(run)?) {
        let all = differences.clone();
        keep_certain(tokenizer, run, &mut differences)?;
        if differences.is_empty() && (eager || !tokenizer.is_admissible(run)?) {
            differences = all;
        }
    }
    let blocks = differences.into_iter().map(|(region, reason)| Block {
        tokens: region.old,
        bytes: 0..0,
        canonical: comparison.canonical[region.new].to_vec(),
        reason,
    });
    Ok(blocks.collect())
}

/// Whether bytes end inside a character.
pub(crate) fn is_cut(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(3)..];
    (0..tail.len()).any(|start| {
        matches!(std::str::from_utf8(&tail[start..]), Err(error)
            if error.valid_up_to() == 0 && error.error_len().is_none())
    })
}

/// Takes out the differences that a continuation can heal.
fn keep_certain(
    tokenizer: &Tokenizer,
    run: &[u32],
    differences: &mut Vec<(Region, Reason)>,
) -> Result<(), Error> {
    let admissibility = tokenizer.admissibility()?;
    let tokens = Tokens::new(tokenizer);
    let mut frontier = Frontier::new(&admissibility);
    let mut decided = Vec::new();
    for &id in run {
        for &byte in tokenizer.spelling(id) {
            frontier.push(&admissibility, &tokens, byte, &mut decided);
        }
    }
    frontier.settle(&admissibility, &tokens, &mut decided);
    let places_of = |ids: &[u32]| places(ids.iter().map(|&id| tokenizer.spelling(id).len()));
    let (starts, decided_starts) = (places_of(run), places_of(&decided));
    let paths = frontier.paths();
    differences.retain(|(region, _)| {
        let (from, to) = (starts[region.old.start], starts[region.old.end]);
        let ids = &run[region.old.clone()];
        // What is decided is searched and not walked: differences may be as many as tokens.
        let skipped = decided_starts[..decided.len()].partition_point(|&start| start < from);
        !paths.iter().any(|path| {
            let mut place = decided_starts[skipped];
            let mut all = decided[skipped..].iter().chain(path).map(|&id| {
                let start = place;
                place += tokenizer.spelling(id).len();
                (start, id)
            });
            let first = all.by_ref().skip_while(|&(start, _)| start < from);
            let inside = first.take_while(|&(start, _)| start < to);
            let inside: Vec<(usize, u32)> = inside.collect();
            inside.first().is_some_and(|&(start, _)| start == from)
                && inside.iter().map(|&(_, id)| id).eq(ids.iter().copied())
        })
    });
    Ok(())
}

/// Compares a run with the encoding of what it decodes to.
fn compare_run(tokenizer: &Tokenizer, run: &[u32]) -> Result<Comparison, Error> {
    let bytes = tokenizer.decode_bytes(run)?;
    let (mut canonical, mut starts) = (Vec::new(), Vec::new());
    let is_text = std::str::from_utf8(&bytes).is_ok();
    let encoded =
        tokenizer
            .worker()
            .encode_pretokens(&bytes, &mut canonical, &mut starts, &mut || true);
    match encoded {
        Ok(_) => {}
        // What decodes but cannot be encoded: the run stays as it is, and is one block.
        Err(Error::Vocab(_) | Error::Pretokenize(_)) => {
            let tokens = match invalid_tokens(tokenizer, run, &bytes) {
                Some(tokens) if !is_text => tokens,
                _ => 0..run.len(),
            };
            let reason = if is_text {
                Reason::Normalizer
            } else {
                Reason::InvalidUtf8
            };
            return Ok(Comparison {
                canonical: run.to_vec(),
                differences: vec![(
                    Region {
                        old: tokens.clone(),
                        new: tokens,
                    },
                    reason,
                )],
            });
        }
        Err(error) => return Err(error),
    }
    let invalid = if is_text {
        None
    } else {
        invalid_tokens(tokenizer, run, &bytes)
    };
    if canonical == run {
        let differences = invalid.map(|tokens| {
            let region = Region {
                old: tokens.clone(),
                new: tokens,
            };
            (region, Reason::InvalidUtf8)
        });
        return Ok(Comparison {
            canonical,
            differences: differences.into_iter().collect(),
        });
    }
    let spell = |ids: &[u32]| {
        let all = ids.iter().flat_map(|&id| tokenizer.spelling(id));
        all.copied().collect::<Vec<u8>>()
    };
    let old = places(run.iter().map(|&id| tokenizer.spelling(id).len()));
    let new = places(canonical.iter().map(|&id| tokenizer.spelling(id).len()));
    let (old_text, new_text) = (spell(run), spell(&canonical));
    let common = Common::new(&old_text, &new_text);
    let mut differences = Vec::new();
    let mut first_start = 0;
    for_each_region(&old, &new, &common, &mut |region| {
        if run[region.old.clone()] == canonical[region.new.clone()] {
            return;
        }
        let (old_from, old_to) = (old[region.old.start], old[region.old.end]);
        let (new_from, new_to) = (new[region.new.start], new[region.new.end]);
        let has_added = |ids: &[u32]| ids.iter().any(|&id| tokenizer.added(id).is_some());
        first_start += starts[first_start..]
            .iter()
            .take_while(|&&start| start < region.new.start)
            .count();
        let overlaps =
            |tokens: &Range<usize>| tokens.start < region.old.end && region.old.start < tokens.end;
        let reason = if invalid.as_ref().is_some_and(overlaps) {
            Reason::InvalidUtf8
        } else if has_added(&run[region.old.clone()]) || has_added(&canonical[region.new.clone()]) {
            Reason::AddedToken
        } else if old_text[old_from..old_to] != new_text[new_from..new_to] {
            Reason::Normalizer
        } else if starts[first_start..]
            .iter()
            .take_while(|&&start| start < region.new.end)
            .map(|&start| new[start] - new_from + old_from)
            .any(|place| old[region.old.clone()].binary_search(&place).is_err())
        {
            Reason::Pretoken
        } else {
            Reason::Pair
        };
        differences.push((region, reason));
    });
    Ok(Comparison {
        canonical,
        differences,
    })
}

/// The tokens from the first with an invalid byte to the last.
fn invalid_tokens(tokenizer: &Tokenizer, run: &[u32], bytes: &[u8]) -> Option<Range<usize>> {
    let mut invalid: Option<Range<usize>> = None;
    let mut place = 0;
    for chunk in bytes.utf8_chunks() {
        place += chunk.valid().len();
        let end = place + chunk.invalid().len();
        if end > place {
            let start = invalid.map_or(place, |range| range.start);
            invalid = Some(start..end);
        }
        place = end;
    }
    let invalid = invalid?;
    let places = byte_places(tokenizer, run).ok()?;
    let start = places.partition_point(|&place| place <= invalid.start) - 1;
    let end = places.partition_point(|&place| place < invalid.end);
    Some(start.min(run.len().saturating_sub(1))..end.min(run.len()))
}

/// The places of tokens in what ids decode to, and its end.
pub(crate) fn byte_places(tokenizer: &Tokenizer, ids: &[u32]) -> Result<Vec<usize>, Error> {
    let mut places = Vec::with_capacity(ids.len() + 1);
    places.push(0);
    let mut end = 0;
    for &id in ids {
        end += tokenizer.token_bytes(id)?.len();
        places.push(end);
    }
    // A decoder may take something away at the start.
    let missing = end.saturating_sub(tokenizer.decode_bytes(ids)?.len());
    if missing > 0 {
        for place in &mut places {
            *place = place.saturating_sub(missing);
        }
    }
    Ok(places)
}

//! The two stages: from counts to merges.

use crate::Error;
use crate::constraints::Constraints;
use crate::merger::{self, Rules, Sequences};
pub use crate::merger::{Merged, Step, Stop, Veto};
use crate::pretokens::PretokenCounts;
use crate::runs::RunCounts;
use crate::tally::Tally;
use crate::tokens::{ID_LIMIT, Tokens};

/// What both stages are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The vocabulary size to reach: the highest id + 1.
    pub size: usize,
    /// Pairs that came less often than this are not merged.
    pub min_frequency: u64,
    /// Tokens made of more than two bytes are shorter than this.
    pub max_token_length: Option<usize>,
}

/// What a stage came to.
#[derive(Debug, Clone)]
pub struct Learned {
    /// The merges, and why there are no more.
    pub merged: Merged,
    /// All tokens, those of the start included.
    pub tokens: Tokens,
    /// The number of tokens of the text before the first merge of the stage.
    pub start: u64,
}

impl Settings {
    fn check(&self, has: usize, what: &str) -> Result<(), Error> {
        if self.size < has || self.size >= ID_LIMIT as usize {
            return Err(Error::Train(format!(
                "vocab_size {} cannot be: {what} are {has} entries already, and {} is the most",
                self.size,
                ID_LIMIT - 1
            )));
        }
        Ok(())
    }

    fn rules<'r>(&self, bar: u64, constraints: Option<&'r Constraints>) -> Rules<'r> {
        Rules {
            size: self.size,
            min_frequency: self.min_frequency,
            bar,
            max_token_length: self.max_token_length,
            constraints,
        }
    }
}

/// The bytes that a text has, in the order of bytes.
pub fn alphabet(counts: &mut PretokenCounts) -> Vec<u8> {
    let mut seen = [false; 256];
    for &byte in counts.gather().items() {
        seen[byte as usize] = true;
    }
    (0..=255).filter(|&byte| seen[byte as usize]).collect()
}

/// A count that the first `merges` merges inside words all reach: that of the word of this rank by
/// count. For as long as fewer merges have been made, one of the more frequent words is not a
/// token yet, and so some pair inside it comes as often. Only where a merge was forbidden, by a
/// special token or a length, may the count be missed.
fn least_count(tally: &Tally<u8>, merges: usize) -> u64 {
    let long = tally.iter().filter(|(word, _)| word.len() > 1);
    let mut counts: Vec<u64> = long.map(|(_, count)| count).collect();
    match merges.checked_sub(1) {
        Some(rank) if rank < counts.len() => {
            *counts.select_nth_unstable_by(rank, |a, b| b.cmp(a)).1
        }
        _ => 1,
    }
}

/// The first stage: ordinary byte-pair encoding inside words. `alphabet` must have every byte of
/// the text. It goes on from what a run `before` had come to, if there is one. `None` if `tick`,
/// which gets what there is so far, stopped the work.
///
/// # Errors
/// [`Error::Train`] for an empty text, and for settings that cannot be met.
pub fn learn(
    counts: &mut PretokenCounts,
    specials: &[String],
    alphabet: &[u8],
    settings: &Settings,
    before: Option<&Merged>,
    tick: &mut dyn FnMut(&Merged) -> bool,
) -> Result<Option<Learned>, Error> {
    let tokens = Tokens::new(specials, alphabet)?;
    settings.check(tokens.len(), "special tokens and the alphabet")?;
    let tally = counts.gather();
    if tally.is_empty() {
        return Err(Error::Train(
            "there is no text to train on: the corpus is empty".into(),
        ));
    }
    let mut ids = [None; 256];
    for byte in 0..=255u8 {
        ids[byte as usize] = tokens.id(&[byte]);
    }
    if let Some(byte) = tally
        .items()
        .iter()
        .find(|&&byte| ids[byte as usize].is_none())
    {
        return Err(Error::Train(format!(
            "the text has the byte 0x{byte:02X}, which is not of the alphabet"
        )));
    }
    let start = tally.iter().fold(0u64, |sum, (word, count)| {
        sum.saturating_add(count.saturating_mul(word.len() as u64))
    });
    let mut bar = least_count(tally, settings.size - tokens.len());
    loop {
        let mut sequences = Sequences::default();
        for (word, count) in tally.iter() {
            let symbols = word
                .iter()
                .map(|&byte| ids[byte as usize].unwrap_or_default());
            sequences.push(symbols, count)?;
        }
        let rules = settings.rules(bar, None);
        let mut tokens = tokens.clone();
        let Some(merged) = merger::merge(&mut sequences, &mut tokens, &rules, before, tick) else {
            return Ok(None);
        };
        if merged.stop != Stop::Bar {
            return Ok(Some(Learned {
                merged,
                tokens,
                start,
            }));
        }
        bar = 1;
    }
}

/// The second stage: merging on across words, from the tokens of a tokenizer. [`Stop::Bar`] says
/// that the barrier of the runs was too high for all merges asked for; those that are there are
/// exact. It goes on from what a run `before` had come to, if there is one. `None` if `tick`, which
/// gets what there is so far, stopped the work.
///
/// # Errors
/// [`Error::Train`] for settings that cannot be met.
pub fn extend(
    runs: &mut RunCounts,
    constraints: &Constraints,
    settings: &Settings,
    before: Option<&Merged>,
    tick: &mut dyn FnMut(&Merged) -> bool,
) -> Result<Option<Learned>, Error> {
    let mut tokens = Tokens::of(runs.start().base())?;
    settings.check(tokens.len(), "those of the tokenizer")?;
    if runs.totals().tokens == 0 {
        return Err(Error::Train(
            "there is no text to train on: the corpus is empty".into(),
        ));
    }
    let bar = runs.barrier();
    let start = runs.totals().tokens;
    let mut sequences = Sequences::default();
    for (run, count) in runs.gather().iter() {
        sequences.push(run.iter().copied(), count)?;
    }
    let rules = settings.rules(bar, Some(constraints));
    let merged = merger::merge(&mut sequences, &mut tokens, &rules, before, tick);
    Ok(merged.map(|merged| Learned {
        merged,
        tokens,
        start,
    }))
}

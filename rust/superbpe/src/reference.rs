//! Greedy merging from the definition: every step counts every pair anew.

use rustc_hash::FxHashMap;

use crate::merger::{Merged, Rules, Step, Stop, Veto};
use crate::tokens::Tokens;

/// [`crate::merger::merge`] from the definition, over sequences and their counts.
pub fn merge(sequences: &mut [(Vec<u32>, u64)], tokens: &mut Tokens, rules: &Rules) -> Merged {
    let least = rules.min_frequency.max(1);
    let mut vetoed = rustc_hash::FxHashSet::default();
    let mut merged = Merged::new(tokens);
    while tokens.len() < rules.size {
        let mut counts: FxHashMap<(u32, u32), u64> = FxHashMap::default();
        for (sequence, weight) in &*sequences {
            for pair in sequence.windows(2) {
                *counts.entry((pair[0], pair[1])).or_default() += weight;
            }
        }
        let best = counts
            .into_iter()
            .filter(|&((left, right), count)| {
                count >= least
                    && !vetoed.contains(&(left, right))
                    && tokens.fits(left, right, rules.max_token_length)
            })
            .min_by_key(|&(pair, count)| (std::cmp::Reverse(count), pair));
        let Some(((left, right), count)) = best else {
            merged.stop = Stop::Rare;
            break;
        };
        let token = [tokens.get(left), tokens.get(right)].concat();
        let is_special = tokens.is_forbidden(&token);
        if is_special || rules.constraints.is_some_and(|rules| !rules.allow(&token)) {
            merged.vetoes.push(Veto {
                left,
                right,
                after: merged.steps.len() as u32,
                is_special,
            });
            vetoed.insert((left, right));
            continue;
        }
        let result = tokens.id(&token).unwrap_or_else(|| tokens.push(token));
        merged.size = tokens.len();
        let mut applied = 0;
        for (sequence, weight) in &mut *sequences {
            let mut place = 0;
            while place + 1 < sequence.len() {
                if sequence[place] == left && sequence[place + 1] == right {
                    sequence[place] = result;
                    sequence.remove(place + 1);
                    applied += *weight;
                }
                place += 1;
            }
        }
        merged.steps.push(Step {
            left,
            right,
            result,
            count,
            applied,
        });
    }
    merged
}

//! What may follow a state, asked for the first time: microseconds a query of a new state in the
//! median, at the 99th percentile and at most, over the tokenizer files of `TOKSEAM_FILES`.
//!
//! States are those behind every prefix of the corpora and of random admissible sequences, each
//! asked once by each of [`ROUNDS`] tokenizers whose tables know nothing yet; the shortest time of a
//! state counts. Both forms of the answer are measured. Time is that of the processor in this thread:
//! the most of many real times is that of the scheduler.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used)]

use std::collections::HashSet;
use std::hint::black_box;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokseam_benches::{corpora, files};
use tokseam_bpe::Tokenizer;
use tokseam_bpe::added::Allowed;
use tokseam_bpe::admissible::{Admissibility, Following, State};

/// Bytes of each corpus, and the most random sequences and ids of one.
const LENGTH: usize = 400_000;
const SEQUENCES: usize = 400;
const IDS: usize = 25;
const ROUNDS: usize = 3;

/// The ids before each state that is new: those of the corpora, then random ones.
fn states(tokenizer: &Tokenizer, seed: &mut u64) -> Vec<(State, Vec<u32>)> {
    let admissibility = tokenizer.admissibility().unwrap();
    let (mut seen, mut states) = (HashSet::new(), Vec::new());
    let mut visit = |state: &State, ids: &[u32]| {
        if seen.insert(state.clone()) {
            let last = ids[ids.len().saturating_sub(4)..].to_vec();
            states.push((state.clone(), last));
        }
    };
    for (_, text) in corpora(&["english", "code", "multilingual", "numeric"]) {
        let end = (0..=LENGTH.min(text.len()))
            .rev()
            .find(|&end| text.is_char_boundary(end));
        let end = end.unwrap_or(0);
        let mut ids = Vec::new();
        let text = &text.as_bytes()[..end];
        if tokenizer
            .encode(text, &Allowed::None, &mut ids, &mut || true)
            .is_err()
        {
            continue;
        }
        let mut state = admissibility.start();
        for (place, &id) in ids.iter().enumerate() {
            state = admissibility.push(&state, id).unwrap();
            visit(&state, &ids[..=place]);
        }
    }
    for _ in 0..SEQUENCES {
        let (mut state, mut ids) = (admissibility.start(), Vec::new());
        while ids.len() < IDS {
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            let id = (*seed % tokenizer.vocab_size() as u64) as u32;
            if let Some(next) = admissibility.push(&state, id) {
                ids.push(id);
                state = next;
                visit(&state, &ids);
            }
        }
    }
    states
}

/// The processor time of this thread so far.
fn now() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

fn measure(
    json: &[u8],
    states: &[(State, Vec<u32>)],
    what: &str,
    mut query: impl FnMut(&Admissibility, &State),
) {
    let mut built = Duration::MAX;
    let mut times: Vec<_> = states
        .iter()
        .map(|(_, ids)| (Duration::MAX, &ids[..]))
        .collect();
    let mut tokenizer = Tokenizer::from_json(json).unwrap();
    for round in 0..ROUNDS {
        if round > 0 {
            tokenizer = Tokenizer::from_json(json).unwrap();
        }
        let start = now();
        let admissibility = tokenizer.admissibility().unwrap();
        built = built.min(now().saturating_sub(start));
        for ((state, _), time) in states.iter().zip(&mut times) {
            let start = now();
            query(&admissibility, state);
            time.0 = time.0.min(now().saturating_sub(start));
        }
    }
    times.sort_unstable();
    let micros = |place: usize| 1e6 * times[place].0.as_secs_f64();
    let last: Vec<_> = times[times.len() - 1]
        .1
        .iter()
        .map(|&id| String::from_utf8_lossy(tokenizer.spelling(id)))
        .collect();
    println!(
        "{what:<10} set-up {:6.1} ms, {} states: median {:.1}, p99 {:.1}, max {:.1} us behind {last:?}; {} over 500 us",
        1e3 * built.as_secs_f64(),
        times.len(),
        micros(times.len() / 2),
        micros(times.len() * 99 / 100),
        micros(times.len() - 1),
        times
            .iter()
            .filter(|time| time.0 > Duration::from_micros(500))
            .count(),
    );
}

fn main() {
    for (name, json) in files() {
        println!("{name}");
        let states = states(
            &Tokenizer::from_json(&json).unwrap(),
            &mut 88_172_645_463_325_252,
        );
        measure(&json, &states, "following", |admissibility, state| {
            let mut following = Following::default();
            admissibility.following(state, &mut following);
            black_box(following);
        });
        measure(&json, &states, "successors", |admissibility, state| {
            black_box(admissibility.successors(state));
        });
    }
}

//! Texts handed out to threads that each count for themselves.
//!
//! All three counts are made so; they differ in what they do with a text. Threads live as long as the call; the calling thread waits and ticks. A part of the work is
//! some hundred kilobytes: whole texts, or whole lines of a long one where lines are wanted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::Error;

/// Bytes of text in a part.
const PART: usize = 256 << 10;

/// How often the calling thread ticks while it waits.
const TICK: Duration = Duration::from_millis(50);

/// What long work asks now and then whether to go on.
pub type Tick<'t> = &'t mut dyn FnMut() -> bool;

/// A text, and its index among those of the call.
type Text<'t> = (usize, &'t [u8]);

/// The texts, each line of them with its line end by itself where `lines` is set.
fn cut<'t>(texts: &[&'t [u8]], lines: bool) -> Vec<Vec<Text<'t>>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut bytes = 0;
    let mut push = |text: Text<'t>| {
        bytes += text.1.len() + 64;
        part.push(text);
        if bytes >= PART {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
    };
    for (index, &text) in texts.iter().enumerate() {
        if lines {
            let mut start = 0;
            for end in memchr::memchr_iter(b'\n', text) {
                push((index, &text[start..=end]));
                start = end + 1;
            }
            if start < text.len() {
                push((index, &text[start..]));
            }
        } else {
            push((index, text));
        }
    }
    if !part.is_empty() {
        parts.push(part);
    }
    parts
}

/// Gives every text to one of the workers; `hold` is what a thread holds while it works. Returns
/// false if `tick` stopped the work.
///
/// # Errors
/// The first error, in the order of texts.
fn share<W: Send, H>(
    workers: &mut [W],
    texts: &[&[u8]],
    lines: bool,
    hold: impl Fn() -> H + Sync,
    count: impl Fn(&mut W, &mut H, Text, Tick) -> Result<(), Error> + Sync,
    tick: Tick,
) -> Result<bool, Error> {
    let parts = cut(texts, lines);
    let all = |worker: &mut W, held: &mut H, part: &[Text], tick: Tick| {
        part.iter()
            .try_for_each(|&text| count(worker, held, text, tick))
    };
    if let [worker, ..] = &mut *workers
        && parts.len() <= 1
    {
        let mut goes_on = true;
        let mut watch = || {
            goes_on = goes_on && tick();
            goes_on
        };
        for part in &parts {
            all(worker, &mut hold(), part, &mut watch)?;
        }
        return Ok(watch());
    }
    let next = AtomicUsize::new(0);
    let cancelled = AtomicBool::new(false);
    let mut failed: Option<(usize, Error)> = None;
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for worker in workers {
            let sender = sender.clone();
            let (next, cancelled, parts, hold, all) = (&next, &cancelled, &parts, &hold, &all);
            scope.spawn(move || {
                let held = &mut hold();
                while !cancelled.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(part) = parts.get(index) else {
                        return;
                    };
                    let mut watch = || !cancelled.load(Ordering::Relaxed);
                    if let Err(error) = all(worker, held, part, &mut watch) {
                        // Parts before this one may hold the first error yet; they are all taken.
                        let _ = sender.send((index, error));
                        return;
                    }
                }
            });
        }
        drop(sender);
        loop {
            match receiver.recv_timeout(TICK) {
                Ok((index, error)) => {
                    if failed.as_ref().is_none_or(|(first, _)| index < *first) {
                        failed = Some((index, error));
                    }
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
            }
            if !tick() {
                cancelled.store(true, Ordering::Relaxed);
            }
        }
    });
    match failed {
        Some((_, error)) => Err(error),
        None => Ok(!cancelled.into_inner()),
    }
}

/// What one thread counts for itself.
pub trait Count: Default + Send {
    /// Adds the counts of another.
    fn absorb(&mut self, other: &Self);

    /// The number of distinct entries.
    fn entries(&self) -> usize;

    /// Drops the entries that came less often than `least`.
    fn drop_below(&mut self, least: u64) -> Spilled;
}

/// How much was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Texts.
    pub texts: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Their tokens; 0 where texts are not encoded.
    pub tokens: u64,
}

/// What was left out on purpose, to save memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spilled {
    /// Entries dropped.
    pub entries: u64,
    /// The sum of their counts.
    pub count: u64,
}

/// When entries are dropped to save memory. Then a count is no longer exact, and says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spill {
    /// Entries that came less often than this are dropped ...
    pub min_count: u64,
    /// ... whenever there are more entries than this.
    pub max_entries: usize,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.texts += other.texts;
        self.bytes += other.bytes;
        self.tokens += other.tokens;
    }
}

impl std::ops::AddAssign for Spilled {
    fn add_assign(&mut self, other: Self) {
        self.entries += other.entries;
        self.count += other.count;
    }
}

/// Counts, one part a thread, and what all of them have read.
pub struct Workers<C> {
    /// At least one.
    parts: Vec<(C, Totals)>,
    totals: Totals,
    spill: Option<Spill>,
    spilled: Spilled,
}

impl<C: Count> Workers<C> {
    /// Nothing counted yet.
    pub fn new(spill: Option<Spill>) -> Self {
        Self {
            parts: vec![Default::default()],
            totals: Totals::default(),
            spill,
            spilled: Spilled::default(),
        }
    }

    /// Counts some texts on `threads` threads, each of which holds a `hold` meanwhile; `count`
    /// returns the tokens of its text, and stops inside a long one if its tick says so. Returns
    /// false if `tick` stopped the work.
    ///
    /// # Errors
    /// [`Error::Train`] for a text that is not UTF-8, else the error of `count`.
    pub fn update<H>(
        &mut self,
        texts: &[&[u8]],
        lines: bool,
        threads: usize,
        hold: impl Fn() -> H + Sync,
        count: impl Fn(&mut C, &mut H, &[u8], Tick) -> Result<u64, Error> + Sync,
        tick: Tick,
    ) -> Result<bool, Error> {
        let threads = threads.max(1);
        while self.parts.len() < threads {
            self.parts.push(Default::default());
        }
        let read = |(part, totals): &mut (C, Totals), held: &mut H, text: Text, tick: Tick| {
            check(text)?;
            let tokens = count(part, held, text.1, tick)?;
            *totals += Totals {
                texts: 1,
                bytes: text.1.len() as u64,
                tokens,
            };
            Ok(())
        };
        let done = share(&mut self.parts[..threads], texts, lines, hold, read, tick)?;
        for (_, totals) in &mut self.parts {
            self.totals += std::mem::take(totals);
        }
        if let Some(spill) = self.spill
            && self
                .parts
                .iter()
                .map(|(part, _)| part.entries())
                .sum::<usize>()
                > spill.max_entries
        {
            let spilled = self.gather().drop_below(spill.min_count);
            self.spilled += spilled;
        }
        Ok(done)
    }

    /// All counts, in one part.
    pub fn gather(&mut self) -> &mut C {
        let rest = self.parts.split_off(1);
        let whole = &mut self.parts[0].0;
        for (part, _) in rest {
            whole.absorb(&part);
        }
        whole
    }

    /// Adds other counts.
    pub fn merge(&mut self, other: &Self) {
        for (part, _) in &other.parts {
            self.parts[0].0.absorb(part);
        }
        self.add_totals(other.totals, other.spilled);
    }

    /// Adds to the totals, as counted elsewhere.
    pub fn add_totals(&mut self, totals: Totals, spilled: Spilled) {
        self.totals += totals;
        self.spilled += spilled;
    }

    /// How much was counted.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// What was dropped.
    pub fn spilled(&self) -> Spilled {
        self.spilled
    }
}

/// A text as UTF-8.
///
/// # Errors
/// [`Error::Train`] that names the place of the first bad byte.
fn check((index, text): Text) -> Result<(), Error> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let at = error.valid_up_to();
            Err(Error::Train(format!(
                "text {index} of this batch is not UTF-8: byte 0x{:02X} at {at}; decode it first, or leave it out",
                text[at]
            )))
        }
    }
}

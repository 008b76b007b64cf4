//! Many texts at once, on several threads.
//!
//! Texts are handed out in chunks of some ten kilobytes by a counter. Each thread keeps its ids in
//! one buffer; when all are done, the ids are copied to where the order of the texts has them, by
//! several threads again. So nothing but the counting of lengths is left to one thread, and the
//! output is the same whatever thread encoded a text. Threads live as long as the call: a child
//! process after `fork` has nothing to inherit. The calling thread is one of them: a thread that only
//! waits for others may keep one of these from its processor for some milliseconds.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::Error;
use crate::added::Allowed;
use crate::concat::concat;
use crate::tokenizer::{Tokenizer, Worker};

/// Bytes of text in a chunk.
const CHUNK: usize = 64 << 10;

/// Bytes of text for which a thread is worth its start, also where it must wait for a processor.
const WORTH: usize = 4 * CHUNK;

/// How often the calling thread ticks while it waits.
const TICK: Duration = Duration::from_millis(50);

/// Ids of many texts: those of text `i` are `ids[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The ids of all texts.
    pub ids: Vec<u32>,
    /// Where each text starts in them, and the end.
    pub offsets: Vec<i64>,
}

/// A text of a batch that could not be encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The index of the text.
    pub index: usize,
    /// Why.
    pub error: Error,
}

impl Tokenizer {
    /// Encodes many texts on `threads` threads. `tick` is called often on the calling thread;
    /// when it returns false the work stops and the result is `Ok(None)`.
    ///
    /// # Errors
    /// The failure of the first text, in the order of texts, that could not be encoded.
    pub fn encode_batch(
        &self,
        texts: &[&[u8]],
        allowed: &Allowed,
        threads: usize,
        tick: &mut dyn FnMut() -> bool,
    ) -> Result<Option<Batch>, Failed> {
        let chunks = chunks(texts);
        let bytes: usize = texts.iter().map(|text| text.len()).sum();
        let threads = threads.min(chunks.len()).min(bytes / WORTH);
        if threads <= 1 {
            let mut batch = Batch::empty(texts.len());
            let worker = &mut self.worker();
            let done = encode_chunk(worker, texts, 0..texts.len(), allowed, &mut batch, tick)?;
            return Ok(done.then_some(batch));
        }
        let next = AtomicUsize::new(0);
        let cancelled = AtomicBool::new(false);
        let mut shares = Vec::with_capacity(threads);
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for _ in 1..threads {
                let sender = sender.clone();
                let (next, cancelled, chunks) = (&next, &cancelled, &chunks);
                scope.spawn(move || {
                    let mut tick = || !cancelled.load(Ordering::Relaxed);
                    let share = self.share(texts, chunks, next, allowed, &mut tick);
                    // The receiver lives until all have sent.
                    let _ = sender.send(share);
                });
            }
            drop(sender);
            let mut tick = || {
                if !tick() {
                    cancelled.store(true, Ordering::Relaxed);
                }
                !cancelled.load(Ordering::Relaxed)
            };
            shares.push(self.share(texts, &chunks, &next, allowed, &mut tick));
            loop {
                match receiver.recv_timeout(TICK) {
                    Ok(share) => shares.push(share),
                    Err(mpsc::RecvTimeoutError::Timeout) => {
                        tick();
                    }
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
            }
        });
        if cancelled.into_inner() {
            return Ok(None);
        }
        let failed = shares.iter_mut().filter_map(|share| share.failed.take());
        match failed.min_by_key(|failed| failed.index) {
            Some(failed) => Err(failed),
            None => Ok(Some(join(&shares, &chunks, texts.len()))),
        }
    }

    /// Encodes chunks on this thread until none is left, one fails or `tick` stops the work.
    fn share(
        &self,
        texts: &[&[u8]],
        chunks: &[Range<usize>],
        next: &AtomicUsize,
        allowed: &Allowed,
        tick: &mut dyn FnMut() -> bool,
    ) -> Share {
        let mut share = Share {
            chunks: Vec::new(),
            batch: Batch::empty(0),
            failed: None,
        };
        let worker = &mut self.worker();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(range) = chunks.get(index) else {
                return share;
            };
            let batch = &mut share.batch;
            match encode_chunk(worker, texts, range.clone(), allowed, batch, tick) {
                Ok(true) => share.chunks.push(index),
                Ok(false) => return share,
                Err(failed) => {
                    // Chunks before this one are handed out already; those behind it are not needed.
                    next.fetch_max(chunks.len(), Ordering::Relaxed);
                    share.failed = Some(failed);
                    return share;
                }
            }
        }
    }
}

/// What one thread made.
struct Share {
    /// The chunks, in rising order.
    chunks: Vec<usize>,
    /// Their texts, one behind the other.
    batch: Batch,
    failed: Option<Failed>,
}

/// Puts the texts of all shares in their order.
fn join(shares: &[Share], chunks: &[Range<usize>], texts: usize) -> Batch {
    let mut maker = vec![0; chunks.len()];
    for (number, share) in shares.iter().enumerate() {
        for &chunk in &share.chunks {
            maker[chunk] = number;
        }
    }
    let mut done = vec![0; shares.len()];
    let mut offsets = Batch::empty(texts).offsets;
    let mut end = 0;
    let parts: Vec<&[u32]> = chunks
        .iter()
        .zip(maker)
        .map(|(chunk, number)| {
            let Batch { ids, offsets: made } = &shares[number].batch;
            let made = &made[done[number]..][..=chunk.len()];
            done[number] += chunk.len();
            let (first, last) = (made[0], made[chunk.len()]);
            offsets.extend(made[1..].iter().map(|offset| end + offset - first));
            end += last - first;
            &ids[first as usize..last as usize]
        })
        .collect();
    let ids = concat(&parts, shares.len());
    Batch { ids, offsets }
}

fn encode_chunk(
    worker: &mut Worker,
    texts: &[&[u8]],
    range: Range<usize>,
    allowed: &Allowed,
    batch: &mut Batch,
    tick: &mut dyn FnMut() -> bool,
) -> Result<bool, Failed> {
    for index in range {
        let done = worker
            .encode(texts[index], allowed, &mut batch.ids, tick)
            .map_err(|error| Failed { index, error })?;
        if !done || !tick() {
            return Ok(false);
        }
        batch.offsets.push(batch.ids.len() as i64);
    }
    Ok(true)
}

impl Batch {
    fn empty(texts: usize) -> Self {
        let mut offsets = Vec::with_capacity(texts + 1);
        offsets.push(0);
        Self {
            ids: Vec::new(),
            offsets,
        }
    }
}

/// Ranges of neighbouring texts of about [`CHUNK`] bytes.
fn chunks(texts: &[&[u8]]) -> Vec<Range<usize>> {
    let mut chunks = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, text) in texts.iter().enumerate() {
        bytes += text.len() + 64;
        if bytes >= CHUNK {
            chunks.push(start..index + 1);
            (start, bytes) = (index + 1, 0);
        }
    }
    if start < texts.len() {
        chunks.push(start..texts.len());
    }
    chunks
}

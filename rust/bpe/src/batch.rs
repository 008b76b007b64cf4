//! Many texts at once, on several threads.
//!
//! Texts are handed out in chunks of some hundred kilobytes by a counter; the order of the output
//! is that of the texts, whatever thread encoded them. Threads live as long as the call: a child
//! process after `fork` has nothing to inherit. The calling thread only waits, and ticks.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::Error;
use crate::added::Allowed;
use crate::tokenizer::{Tokenizer, Worker};

/// Bytes of text in a chunk.
const CHUNK: usize = 256 << 10;

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
        let threads = threads.min(chunks.len());
        if threads <= 1 {
            let mut batch = Batch::empty(texts.len());
            let worker = &mut self.worker();
            let done = encode_chunk(worker, texts, 0..texts.len(), allowed, &mut batch, tick)?;
            return Ok(done.then_some(batch));
        }
        let next = AtomicUsize::new(0);
        let cancelled = AtomicBool::new(false);
        let mut parts: Vec<Option<Result<Batch, Failed>>> = chunks.iter().map(|_| None).collect();
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            for _ in 0..threads {
                let sender = sender.clone();
                let (next, cancelled, chunks) = (&next, &cancelled, &chunks);
                scope.spawn(move || {
                    let worker = &mut self.worker();
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(range) = chunks.get(index) else {
                            return;
                        };
                        let mut batch = Batch::empty(range.len());
                        let mut tick = || !cancelled.load(Ordering::Relaxed);
                        let done = encode_chunk(
                            worker,
                            texts,
                            range.clone(),
                            allowed,
                            &mut batch,
                            &mut tick,
                        );
                        let part = match done {
                            Ok(true) => Ok(batch),
                            Ok(false) => return,
                            Err(failed) => Err(failed),
                        };
                        if sender.send((index, part)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            loop {
                match receiver.recv_timeout(TICK) {
                    Ok((index, part)) => parts[index] = Some(part),
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    Err(mpsc::RecvTimeoutError::Disconnected) => break,
                }
                if !tick() {
                    cancelled.store(true, Ordering::Relaxed);
                }
            }
        });
        if cancelled.into_inner() {
            return Ok(None);
        }
        let mut batch = Batch::empty(texts.len());
        for part in parts.into_iter().flatten() {
            batch.append(part?);
        }
        Ok(Some(batch))
    }
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

    fn append(&mut self, mut other: Self) {
        let base = self.ids.len() as i64;
        self.ids.append(&mut other.ids);
        self.offsets
            .extend(other.offsets[1..].iter().map(|offset| base + offset));
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

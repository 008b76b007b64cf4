//! Texts handed out to threads that each count for themselves.
//!
//! Threads live as long as the call; the calling thread waits and ticks. A part of the work is
//! some hundred kilobytes: whole texts, or whole lines of a long one where lines are wanted.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::Error;

/// Bytes of text in a part.
const PART: usize = 256 << 10;

/// How often the calling thread ticks while it waits.
const TICK: Duration = Duration::from_millis(50);

/// A text, and its index among those of the call.
pub type Text<'t> = (usize, &'t [u8]);

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

/// Gives every text to one of the workers. Returns false if `tick` stopped the work.
///
/// # Errors
/// The first error, in the order of texts.
pub fn share<W: Send>(
    workers: &mut [W],
    texts: &[&[u8]],
    lines: bool,
    count: impl Fn(&mut W, Text) -> Result<(), Error> + Sync,
    tick: &mut dyn FnMut() -> bool,
) -> Result<bool, Error> {
    let parts = cut(texts, lines);
    let all = |worker: &mut W, part: &[Text]| part.iter().try_for_each(|&text| count(worker, text));
    if let [worker, ..] = &mut *workers
        && parts.len() <= 1
    {
        for part in &parts {
            all(worker, part)?;
        }
        return Ok(tick());
    }
    let next = AtomicUsize::new(0);
    let cancelled = AtomicBool::new(false);
    let mut failed: Option<(usize, Error)> = None;
    std::thread::scope(|scope| {
        let (sender, receiver) = mpsc::channel();
        for worker in workers {
            let sender = sender.clone();
            let (next, cancelled, parts, all) = (&next, &cancelled, &parts, &all);
            scope.spawn(move || {
                while !cancelled.load(Ordering::Relaxed) {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(part) = parts.get(index) else {
                        return;
                    };
                    if let Err(error) = all(worker, part) {
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

/// A text as UTF-8.
///
/// # Errors
/// [`Error::Train`] that names the place of the first bad byte.
pub fn check((index, text): Text) -> Result<(), Error> {
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

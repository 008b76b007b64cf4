//! Whether ids are what the tokenizer would have given.
//!
//! Ids are *canonical* if encoding what they decode to gives them back; special ids cut them into
//! runs that are judged alone, and a run that is not UTF-8 is not canonical. There are two tests.
//! One encodes again. The other looks at neighbours alone: every pretoken border is a token
//! border, and inside a pretoken every token encodes to itself and every two neighbours encode to
//! just these two. For every merge list the two agree.
//!
//! Encoding again is the faster one here, since units come from the cache and pairs do not repeat
//! enough; the pair test says where the first fault is and why.

use crate::Error;
use crate::added::Allowed;
use crate::tokenizer::Tokenizer;

/// Why ids are not canonical.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A token, or two neighbours, that encoding would have cut otherwise.
    Pair,
    /// A token that reaches over the border of a pretoken.
    Pretoken,
    /// Text that an added token takes whole, or an added token where its text does not match.
    AddedToken,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// Text that the normalizer changes, so no encoding decodes to it.
    Normalizer,
}

/// What a test says of a run.
enum Verdict {
    Canonical,
    /// From this token on, for this reason.
    Broken(usize, Reason),
    /// The test does not apply.
    NotTested,
}

impl Reason {
    /// The name of the reason.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Pretoken => "pretoken",
            Self::AddedToken => "added-token",
            Self::InvalidUtf8 => "invalid-utf8",
            Self::Normalizer => "normalizer",
        }
    }
}

impl Tokenizer {
    /// Whether ids are canonical.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id without a token.
    pub fn is_canonical(&self, ids: &[u32]) -> Result<bool, Error> {
        let mut again = Vec::new();
        for run in self.runs(ids) {
            again.clear();
            if !self.encode_again(&ids[run.clone()], &mut again)? || again != ids[run] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The first position where ids are not canonical, and why: the first token that does not
    /// stand where encoding would have put it, given those before it in its pretoken.
    ///
    /// # Errors
    /// [`Error::UnknownToken`] for an id without a token.
    pub fn first_noncanonical(&self, ids: &[u32]) -> Result<Option<(usize, Reason)>, Error> {
        for run in self.runs(ids) {
            let start = run.start;
            let run = &ids[run];
            let verdict = match self.test_pairs(run)? {
                Verdict::NotTested => self.first_difference(run)?,
                verdict => verdict,
            };
            if let Verdict::Broken(place, reason) = verdict {
                return Ok(Some((start + place, reason)));
            }
        }
        Ok(None)
    }

    /// The maximal ranges without special ids; empty ones too, one more than there are special ids.
    pub fn runs<'i>(&'i self, ids: &'i [u32]) -> impl Iterator<Item = std::ops::Range<usize>> + 'i {
        let mut start = 0;
        ids.split(|id| self.special_ids().contains(id))
            .map(move |run| {
                let range = start..start + run.len();
                start = range.end + 1;
                range
            })
    }

    /// Encodes what ids decode to; false if that is no text.
    fn encode_again(&self, run: &[u32], again: &mut Vec<u32>) -> Result<bool, Error> {
        let bytes = self.decode_bytes(run)?;
        if std::str::from_utf8(&bytes).is_err() {
            return Ok(false);
        }
        match self.encode(&bytes, &Allowed::None, again, &mut || true) {
            Ok(_) => Ok(true),
            // What decodes but cannot be encoded, like the byte of a special token.
            Err(Error::Vocab(_) | Error::Pretokenize(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The pair test on a run; it does not apply if the run's text is not simply the bytes of its tokens, or
    /// added tokens may be in it.
    fn test_pairs(&self, run: &[u32]) -> Result<Verdict, Error> {
        if !self.is_plain() {
            return Ok(Verdict::NotTested);
        }
        let bytes = self.decode_bytes(run)?;
        if let Err(error) = std::str::from_utf8(&bytes) {
            let bad = error.valid_up_to();
            let mut end = 0;
            let place = run
                .iter()
                .position(|&id| {
                    end += self.model().token(id).len();
                    end > bad
                })
                .unwrap_or(run.len() - 1);
            return Ok(Verdict::Broken(place, Reason::InvalidUtf8));
        }
        let mut cuts = vec![0; bytes.len() / 64 + 1];
        self.pretokenizer().cut(&bytes, &mut cuts)?;
        let is_cut = |place: usize| {
            place == 0 || place == bytes.len() || cuts[place / 64] >> (place % 64) & 1 != 0
        };
        let (model, encoder) = (self.model(), self.encoder());
        let mut start = 0;
        let mut before = None;
        for (place, &id) in run.iter().enumerate() {
            let end = start + model.token(id).len();
            if (start + 1..end).any(is_cut) {
                return Ok(Verdict::Broken(place, Reason::Pretoken));
            }
            let pair = Ok(Verdict::Broken(place, Reason::Pair));
            if is_cut(start) {
                before = None;
                if model.ignore_merges {
                    let piece_end = (start + 1..bytes.len()).find(|&place| is_cut(place));
                    let piece = &bytes[start..piece_end.unwrap_or(bytes.len())];
                    if let Some(whole) = model.vocab.id(piece)
                        && !self.special_ids().contains(&whole)
                    {
                        if whole != id {
                            return pair;
                        }
                        start = end;
                        continue;
                    }
                }
            }
            let Some(symbol) = encoder
                .symbols()
                .of_id(id)
                .filter(|&symbol| encoder.is_own(symbol))
            else {
                return pair;
            };
            if before.is_some_and(|before| !encoder.is_compatible(model, before, symbol)) {
                return pair;
            }
            before = Some(symbol);
            start = end;
        }
        Ok(Verdict::Canonical)
    }

    /// The first difference to encoding again.
    fn first_difference(&self, run: &[u32]) -> Result<Verdict, Error> {
        let mut again = Vec::new();
        if !self.encode_again(run, &mut again)? {
            return Ok(Verdict::Broken(0, Reason::InvalidUtf8));
        }
        let same = run
            .iter()
            .zip(&again)
            .take_while(|(left, right)| left == right)
            .count();
        if same == run.len() && same == again.len() {
            return Ok(Verdict::Canonical);
        }
        let is_added = |ids: &[u32]| ids.get(same).is_some_and(|&id| self.added(id).is_some());
        let reason = if is_added(run) || is_added(&again) {
            Reason::AddedToken
        } else {
            Reason::Pair
        };
        Ok(Verdict::Broken(
            same.min(run.len().saturating_sub(1)),
            reason,
        ))
    }
}

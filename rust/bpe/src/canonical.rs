//! Whether ids are what the tokenizer would have given.
//!
//! Ids are *canonical* if encoding what they decode to gives them back; special ids cut them into
//! runs that are judged alone, and a run that is not UTF-8 is not canonical. The test encodes again:
//! units come from the cache, so it costs less than looking at every pair of neighbours would.

use crate::Error;
use crate::added::Allowed;
use crate::tokenizer::Tokenizer;

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
}

//! Heads against the definition of a cover, on toys.
#![allow(clippy::unwrap_used)]

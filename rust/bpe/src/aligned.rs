//! A text together with the original bytes that each of its bytes stands for.

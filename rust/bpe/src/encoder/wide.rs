//! [`Block::encode`] compiled for processors with AVX2 and the bit instructions of its time.
//!
//! It is the same code: the compiler turns the scan for the lowest rank, the filter of the second
//! phase and the walks over bit masks into fewer instructions. Measured on superword text: 15 to
//! 30 % faster. The tests run both.
#![allow(unsafe_code)]

use super::{Block, Scratch, Unspelled};

/// Whether this processor has the instructions.
pub fn is_available() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt")
            && is_x86_feature_detected!("popcnt")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// [`Block::encode`]; call it only where [`is_available`] says yes.
pub fn encode(block: &Block, scratch: &mut Scratch, out: &mut Vec<u32>) -> Result<(), Unspelled> {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        fn encode(
            block: &Block,
            scratch: &mut Scratch,
            out: &mut Vec<u32>,
        ) -> Result<(), Unspelled> {
            block.encode(scratch, out, |block, scratch, first| {
                solve(block, scratch, first)
            })
        }
        #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
        #[inline(never)]
        fn solve(block: &Block, scratch: &mut Scratch, first: usize) -> Result<(), Unspelled> {
            block.solve(scratch, first)
        }
        if is_available() {
            // SAFETY: the processor has the features that the function is compiled for.
            return unsafe { encode(block, scratch, out) };
        }
    }
    block.encode(scratch, out, Block::solve)
}

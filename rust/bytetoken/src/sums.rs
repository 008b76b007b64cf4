//! Rows of a model as probabilities in the order of bytes, and the sums of their ranges.
//!
//! A row is read once: 64 places at a time are gathered from it, and their exponentials are taken
//! and summed while they are near. Nothing is read where a mask has no place. Sums are in `f64`,
//! whatever the row is, and have eight lanes, so the compiler can use wide registers. It is compiled
//! a second time for processors with AVX2 and fused multiplication, where it takes a third of the
//! time.
#![allow(unsafe_code)]

/// Logarithms below this are not taken as probabilities: products of two that are above are exact
/// in `f64`.
pub const LEAST: f64 = -350.0;

/// The places of a word of a mask.
const WORD: usize = 64;

/// The lanes of a sum.
const LANES: usize = 8;

/// A number of a row.
pub trait Real: Copy + Sync {
    /// The same number with more bits.
    fn wide(self) -> f64;
}

impl Real for f32 {
    #[inline(always)]
    fn wide(self) -> f64 {
        self.into()
    }
}

impl Real for f64 {
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
}

/// How a product and a sum are made.
trait Arithmetic {
    /// `a b + c`.
    fn add(a: f64, b: f64, c: f64) -> f64;
}

/// By one instruction each.
struct Plain;

impl Arithmetic for Plain {
    #[inline(always)]
    fn add(a: f64, b: f64, c: f64) -> f64 {
        a * b + c
    }
}

/// By one instruction, for processors that have it.
#[cfg(target_arch = "x86_64")]
struct Fused;

#[cfg(target_arch = "x86_64")]
impl Arithmetic for Fused {
    #[inline(always)]
    fn add(a: f64, b: f64, c: f64) -> f64 {
        a.mul_add(b, c)
    }
}

/// Whether this processor has AVX2 and fused multiplication.
#[cfg(target_arch = "x86_64")]
fn is_wide() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")
}

/// The greatest number of a row, minus infinity of an empty one. Nan is not seen.
#[must_use]
pub fn top<T: Real>(row: &[T]) -> f64 {
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut tops = [f64::NEG_INFINITY; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            let number = chunk[lane].wide();
            tops[lane] = if number > tops[lane] {
                number
            } else {
                tops[lane]
            };
        }
    }
    let rest = rest.iter().map(|number| number.wide());
    tops.into_iter()
        .chain(rest)
        .fold(f64::NEG_INFINITY, f64::max)
}

/// The exponentials of what a row is above `top` in the order of `ids`, nothing where the mask has
/// no place.
///
/// `values` gets them. Returns whether all that count are at [`LEAST`] or above, or minus infinity;
/// if not, the values mean nothing. The top must be that of the row, or above.
///
/// # Panics
/// If the row lacks an id.
#[must_use]
pub fn masses<T: Real>(row: &[T], top: f64, ids: &[u32], mask: &[u64], values: &mut [f64]) -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn wide<T: Real>(
            row: &[T],
            top: f64,
            ids: &[u32],
            mask: &[u64],
            values: &mut [f64],
        ) -> bool {
            masses_by::<T, Fused>(row, top, ids, mask, values)
        }
        if is_wide() {
            // SAFETY: the processor has the features that the function is compiled for.
            return unsafe { wide(row, top, ids, mask, values) };
        }
    }
    masses_by::<T, Plain>(row, top, ids, mask, values)
}

#[inline(always)]
fn masses_by<T: Real, A: Arithmetic>(
    row: &[T],
    top: f64,
    ids: &[u32],
    mask: &[u64],
    values: &mut [f64],
) -> bool {
    let mut total = [0.0; LANES];
    for ((ids, values), &word) in ids.chunks(WORD).zip(values.chunks_mut(WORD)).zip(mask) {
        match block::<T, A>(row, top, ids, word, &mut total) {
            Some(block) => values.copy_from_slice(&block[..values.len()]),
            None => return false,
        }
    }
    true
}

/// The sums of ranges of what [`masses`] gives, without writing it down, and the sum over all ids
/// whether the mask has them or not; `None` where [`masses`] says no. `ends` are the ends of the
/// ranges, which start where the one before ends, the first at 0; `sums` gets theirs.
///
/// # Panics
/// If the row lacks an id.
#[must_use]
pub fn masses_of_ranges<T: Real>(
    row: &[T],
    top: f64,
    ids: &[u32],
    mask: &[u64],
    ends: &[u32],
    sums: &mut [f64],
) -> Option<f64> {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn wide<T: Real>(
            row: &[T],
            top: f64,
            ids: &[u32],
            mask: &[u64],
            ends: &[u32],
            sums: &mut [f64],
        ) -> Option<f64> {
            masses_of_ranges_by::<T, Fused>(row, top, ids, mask, ends, sums)
        }
        if is_wide() {
            // SAFETY: the processor has the features that the function is compiled for.
            return unsafe { wide(row, top, ids, mask, ends, sums) };
        }
    }
    masses_of_ranges_by::<T, Plain>(row, top, ids, mask, ends, sums)
}

#[inline(always)]
fn masses_of_ranges_by<T: Real, A: Arithmetic>(
    row: &[T],
    top: f64,
    ids: &[u32],
    mask: &[u64],
    ends: &[u32],
    sums: &mut [f64],
) -> Option<f64> {
    let mut total = [0.0; LANES];
    let (mut range, mut before) = (0, 0);
    for (ids, &word) in ids.chunks(WORD).zip(mask) {
        let block = block::<T, A>(row, top, ids, word, &mut total)?;
        let mut from = 0;
        while let Some(&end) = ends.get(range) {
            let to = (end as usize - before).min(ids.len());
            sums[range] += sum(&block[from..to]);
            from = to;
            if before + to < end as usize {
                break;
            }
            range += 1;
        }
        before += ids.len();
    }
    Some(total.iter().sum())
}

/// The exponentials of up to 64 ids, nothing for those that a bit of the word is not set for;
/// `None` if one that counts is too low. Those of all are added to the total.
#[inline(always)]
fn block<T: Real, A: Arithmetic>(
    row: &[T],
    top: f64,
    ids: &[u32],
    word: u64,
    total: &mut [f64; LANES],
) -> Option<[f64; WORD]> {
    let mut logs = [f64::NEG_INFINITY; WORD];
    for (log, &id) in logs.iter_mut().zip(ids) {
        *log = row[id as usize].wide() - top;
    }
    let mut least = [0.0; LANES];
    for part in logs.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            let low = if part[lane] > f64::NEG_INFINITY {
                part[lane]
            } else {
                0.0
            };
            least[lane] = if low < least[lane] { low } else { least[lane] };
        }
    }
    if least.iter().any(|&least| least < LEAST) {
        let counts = |place: &usize| word >> place & 1 != 0;
        let mut counted = (0..WORD).filter(counts).map(|place| logs[place]);
        if counted.any(|log| log < LEAST && log > f64::NEG_INFINITY) {
            return None;
        }
    }
    for log in &mut logs {
        *log = exp::<A>(*log);
    }
    add(total, &logs);
    for (place, value) in logs.iter_mut().enumerate() {
        // All bits, or none.
        let keep = (word >> place & 1).wrapping_neg();
        *value = f64::from_bits(value.to_bits() & keep);
    }
    Some(logs)
}

/// The exponential of a number that is at most 700, 0 if it is below [`LEAST`].
#[must_use]
pub fn exponential(x: f64) -> f64 {
    exp::<Plain>(x)
}

/// The logarithm of the sum of the exponentials of some numbers: nan if one is nan or infinite.
#[must_use]
pub fn log_sum(logs: &[f64]) -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma")]
        fn wide(logs: &[f64]) -> f64 {
            log_sum_by::<Fused>(logs)
        }
        if is_wide() {
            // SAFETY: the processor has the features that the function is compiled for.
            return unsafe { wide(logs) };
        }
    }
    log_sum_by::<Plain>(logs)
}

#[inline(always)]
fn log_sum_by<A: Arithmetic>(logs: &[f64]) -> f64 {
    let top = top(logs);
    // Where all are minus infinity, so are their differences to any number.
    let base = if top == f64::NEG_INFINITY { 0.0 } else { top };
    let mut sums = [0.0; LANES];
    for logs in logs.chunks(WORD) {
        let mut block = [f64::NEG_INFINITY; WORD];
        block[..logs.len()].copy_from_slice(logs);
        for log in &mut block {
            *log = exp::<A>(*log - base);
        }
        add(&mut sums, &block);
    }
    base + sums.iter().sum::<f64>().ln()
}

/// Adds numbers to the lanes of a sum.
#[inline(always)]
fn add(sums: &mut [f64; LANES], values: &[f64; WORD]) {
    for part in values.as_chunks::<LANES>().0 {
        for lane in 0..LANES {
            sums[lane] += part[lane];
        }
    }
}

/// The exponential of a number up to 700, off by less than `2e-15` of itself; 0 of one below
/// [`LEAST`].
///
/// `x = n ln 2 + r` with the nearest whole `n`, so `r` is at most 0.347 in size, and the series of
/// `e^r` without its terms from `r^13` on is off by less than `2e-16`.
#[inline(always)]
fn exp<A: Arithmetic>(x: f64) -> f64 {
    /// Adding it rounds to a whole number, which its lowest bits then have.
    const ROUND: f64 = 6_755_399_441_055_744.0;
    /// The first bits of ln 2, so that its product with a whole number of 11 bits is exact.
    const HIGH: f64 = 0.693_147_180_369_123_8;
    /// What it lacks.
    const LOW: f64 = 1.908_214_929_270_587_7e-10;
    /// One divided by the factorials, from that of 12 down to that of 0.
    const TERMS: [f64; 13] = {
        let mut terms = [1.0; 13];
        let (mut n, mut factorial) = (1, 1.0);
        while n < 13 {
            factorial *= n as f64;
            terms[12 - n] = 1.0 / factorial;
            n += 1;
        }
        terms
    };
    let rounded = A::add(x, std::f64::consts::LOG2_E, ROUND);
    let whole = rounded - ROUND;
    let rest = A::add(whole, -LOW, A::add(whole, -HIGH, x));
    let mut sum = TERMS[0];
    let mut term = 1;
    while term < TERMS.len() {
        sum = A::add(sum, rest, TERMS[term]);
        term += 1;
    }
    let power = f64::from_bits(rounded.to_bits().wrapping_add(1023) << 52);
    if x < LEAST { 0.0 } else { sum * power }
}

/// The sum of some numbers.
#[inline(always)]
fn sum(values: &[f64]) -> f64 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut sums = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            sums[lane] += chunk[lane];
        }
    }
    sums.iter().sum::<f64>() + rest.iter().sum::<f64>()
}

/// A range to be summed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// Where it starts among the numbers of all parts, one part behind the other. It ends where the
    /// next starts.
    pub start: usize,
    /// The part that it lies in.
    pub part: usize,
    /// The column that its mass counts for.
    pub column: usize,
}

/// The logarithms of the masses of the columns of some texts, from ranges of parts whose numbers
/// count `e^factor` each; `None` if a factor is too small beside the greatest of its text for sums
/// of masses ([`LEAST`]), or if a cut lies outside of its part or of the columns.
#[must_use]
pub fn range_sums(
    parts: &[&[f64]],
    factors: &[f64],
    cuts: &[Cut],
    texts: usize,
    columns: usize,
) -> Option<Vec<f64>> {
    let mut masses = vec![0.0; texts * columns];
    let mut tops = vec![f64::NEG_INFINITY; texts];
    for cut in cuts {
        let top = tops.get_mut(cut.column / columns)?;
        *top = top.max(*factors.get(cut.part)?);
    }
    let ends = parts.iter().scan(0, |end, part| {
        *end += part.len();
        Some(*end)
    });
    let ends: Vec<usize> = ends.collect();
    let next = cuts.iter().skip(1).map(|cut| cut.start);
    let (mut known, mut scale) = (usize::MAX, 0.0);
    for (cut, end) in cuts.iter().zip(next.chain(ends.last().copied())) {
        let part = parts.get(cut.part)?;
        if cut.part != known {
            let factor = factors[cut.part] - tops[cut.column / columns];
            if factor.is_nan() || factor <= LEAST {
                return None;
            }
            (known, scale) = (cut.part, factor.exp());
        }
        let before = ends[cut.part] - part.len();
        let range = cut.start.checked_sub(before)?..end.checked_sub(before)?;
        masses[cut.column] += sum(part.get(range)?) * scale;
    }
    for (masses, top) in masses.chunks_mut(columns).zip(tops) {
        for mass in masses {
            *mass = if *mass > 0.0 {
                mass.ln() + top
            } else {
                f64::NEG_INFINITY
            };
        }
    }
    Some(masses)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// The exponential, and that where products and sums are fused.
    fn both(x: f64) -> [f64; 2] {
        #[cfg(target_arch = "x86_64")]
        return [exp::<Plain>(x), exp::<Fused>(x)];
        #[cfg(not(target_arch = "x86_64"))]
        return [exp::<Plain>(x); 2];
    }

    #[test]
    fn exponentials_are_those_of_the_standard_library() {
        for step in -3_500_000..=100_000 {
            let x = f64::from(step) / 10_000.0 + f64::from(step % 7) * 1e-7;
            if x >= LEAST {
                for found in both(x) {
                    assert!((found / x.exp() - 1.0).abs() < 2e-15, "{x}");
                }
            }
        }
        for (x, expected) in [(f64::NEG_INFINITY, 0.0_f64), (0.0, 1.0)] {
            assert_eq!(both(x).map(f64::to_bits), [expected.to_bits(); 2]);
        }
    }

    /// The definition: one number after the other, by the exponential of the standard library.
    fn slow(row: &[f64], top: f64, ids: &[u32], mask: &[u64]) -> (Vec<f64>, bool) {
        let counted = |place: usize| mask[place / 64] >> (place % 64) & 1 != 0;
        let log = |(place, &id): (usize, &u32)| {
            if counted(place) {
                row[id as usize] - top
            } else {
                f64::NEG_INFINITY
            }
        };
        let logs: Vec<f64> = ids.iter().enumerate().map(log).collect();
        let is_low = |&log: &f64| log > f64::NEG_INFINITY && log < LEAST;
        (
            logs.iter().map(|log| log.exp()).collect(),
            logs.iter().any(is_low),
        )
    }

    /// The sum over all, whether the values mean something, these, and the sums of ranges.
    type Found = (Option<f64>, bool, Vec<f64>, Vec<f64>);

    /// What is found with wide registers, where there are some, and without.
    fn both_ways<T: Real>(
        row: &[T],
        top: f64,
        ids: &[u32],
        mask: &[u64],
        ends: &[u32],
    ) -> [Found; 2] {
        let none = || (None, false, vec![9.0; ids.len()], vec![0.0; ends.len()]);
        let (mut wide, mut plain) = (none(), none());
        wide.0 = masses_of_ranges(row, top, ids, mask, ends, &mut wide.3);
        wide.1 = masses(row, top, ids, mask, &mut wide.2);
        plain.0 = masses_of_ranges_by::<T, Plain>(row, top, ids, mask, ends, &mut plain.3);
        plain.1 = masses_by::<T, Plain>(row, top, ids, mask, &mut plain.2);
        [wide, plain]
    }

    proptest! {
        #[test]
        fn masses_are_those_of_one_place_after_the_other(
            row in prop::collection::vec(prop_oneof![
                8 => -40.0..0.0,
                1 => Just(f64::NEG_INFINITY),
                1 => -360.0..-300.0,
            ], 1..300),
            words in prop::collection::vec(prop_oneof![Just(0), Just(u64::MAX), any::<u64>()], 5),
            seed in any::<u32>(),
            ends in prop::collection::vec(any::<u32>(), 0..9),
            above in 0.0..3.0,
        ) {
            // Some order of some ids.
            let count = row.len() as u32;
            let ids: Vec<u32> = (0..count).map(|place| (place.wrapping_mul(7) ^ seed) % count).collect();
            let single: Vec<f32> = row.iter().map(|&log| log as f32).collect();
            let widened: Vec<f64> = single.iter().map(|&log| log.into()).collect();
            let mut ends: Vec<u32> = ends.into_iter().map(|end| end % (count + 1)).collect();
            ends.push(count);
            ends.sort_unstable();
            for (row, single) in [(&row, None), (&widened, Some(&single[..]))] {
                let top = top(row) + above;
                let (expected, is_low) = slow(row, top, &ids, &words);
                let everything: f64 = ids.iter().map(|&id| (row[id as usize] - top).exp()).sum();
                let mut before = 0;
                let ranges = ends.iter().map(|&end| {
                    let range = &expected[before..end as usize];
                    before = end as usize;
                    range.iter().sum()
                });
                let ranges: Vec<f64> = ranges.collect();
                let found = match single {
                    Some(row) => both_ways(row, top, &ids, &words, &ends),
                    None => both_ways(row, top, &ids, &words, &ends),
                };
                for (total, is_fit, ..) in &found {
                    prop_assert_eq!((total.is_none(), !is_fit), (is_low, is_low));
                }
                for (total, _, values, sums) in found.iter().filter(|_| !is_low) {
                    prop_assert!((total.unwrap() - everything).abs() <= 1e-13 * everything);
                    for (value, expected) in values.iter().zip(&expected) {
                        prop_assert!((value - expected).abs() <= 2e-15 * expected);
                    }
                    for (sum, expected) in sums.iter().zip(&ranges) {
                        prop_assert!((sum - expected).abs() <= 1e-13 * expected);
                    }
                }
            }
        }

        #[test]
        fn a_sum_is_that_of_single_exponentials(
            logs in prop::collection::vec(prop_oneof![
                8 => -40.0..40.0,
                1 => Just(f64::NEG_INFINITY),
                1 => -900.0..900.0,
            ], 0..60),
            strange in 0..60_usize,
        ) {
            let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for found in [log_sum(&logs), log_sum_by::<Plain>(&logs)] {
                if top == f64::NEG_INFINITY {
                    prop_assert_eq!(found.to_bits(), top.to_bits());
                } else {
                    let expected = top + logs.iter().map(|log| (log - top).exp()).sum::<f64>().ln();
                    prop_assert!((found - expected).abs() <= 1e-12);
                }
            }
            for none in [f64::NAN, f64::INFINITY] {
                let mut logs = logs.clone();
                logs.insert(strange.min(logs.len()), none);
                prop_assert!(log_sum(&logs).is_nan());
            }
        }

        #[test]
        fn ranges_are_sums_of_single_numbers(
            parts in prop::collection::vec((prop::collection::vec(0.0..1.0, 1..40), -9.0..0.0), 1..6),
            cut in prop::collection::vec(any::<bool>(), 240),
        ) {
            let (values, factors): (Vec<Vec<f64>>, Vec<f64>) = parts.into_iter().unzip();
            let (mut cuts, mut expected, mut start) = (Vec::new(), vec![0.0; 21], 0);
            for (part, values) in values.iter().enumerate() {
                for (place, value) in values.iter().enumerate() {
                    if place == 0 || cut[start] {
                        cuts.push(Cut { start, part, column: part / 2 * 7 + start % 7 });
                    }
                    expected[cuts.last().unwrap().column] += value * factors[part].exp();
                    start += 1;
                }
            }
            let slices: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
            let found = range_sums(&slices, &factors, &cuts, 3, 7).unwrap();
            for (log, mass) in found.iter().zip(expected) {
                prop_assert!((log.exp() - mass).abs() <= 1e-14 * mass.max(1e-9));
            }
            let mut low = factors.clone();
            low[0] = 0.0;
            if low.len() > 1 {
                low[1] = LEAST - 1.0;
                prop_assert_eq!(range_sums(&slices, &low, &cuts, 3, 7), None);
            }
            for wrong in [
                Cut { start: 0, part: 0, column: 21 },
                Cut { start: start + 1, part: slices.len() - 1, column: 0 },
                Cut { start, part: slices.len(), column: 0 },
            ] {
                prop_assert_eq!(range_sums(&slices, &factors, &[wrong], 3, 7), None);
            }
        }
    }
}

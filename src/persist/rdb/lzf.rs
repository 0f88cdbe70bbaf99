//! LZF, the compression of long strings in Redis's serialisation (the format of Marc Lehmann's liblzf).
//!
//! What is compressed is a sequence of runs. Each begins with a control byte:
//!
//! ```text
//! 000nnnnn                        n + 1 bytes follow as they are
//! nnnooooo oooooooo               n + 2 bytes are those that came o + 1 bytes before (n from 1 to 6)
//! 111ooooo nnnnnnnn oooooooo      n + 9 bytes are those that came o + 1 bytes before
//! ```
//!
//! Bytes that are repeated may overlap with the repetition. The length of the whole is kept elsewhere.
//! Compressing remembers the last place of each hash of three bytes and looks nowhere else: fast, and as
//! good as liblzf to within a few percent.

/// How far back a repetition may reach.
const OFFSET_MAX: usize = 1 << 13;
/// The shortest repetition, and the longest.
const REPEAT_MIN: usize = 3;
const REPEAT_MAX: usize = 264;
/// The most bytes as they are behind one control byte.
const LITERAL_MAX: usize = 32;

/// How many bytes so many compressed ones may stand for at most: three of them for the longest repetition.
pub(super) fn expanded_max(compressed: usize) -> usize {
    compressed.saturating_mul(REPEAT_MAX / 3)
}

/// The bytes that these stand for; `None` if they do not stand for exactly `len` bytes.
pub(super) fn decompress(mut input: &[u8], len: usize) -> Option<Vec<u8>> {
    if len > expanded_max(input.len()) {
        return None;
    }
    let mut out = Vec::with_capacity(len);
    while let [control, rest @ ..] = input {
        let high = usize::from(control >> 5);
        input = if high == 0 {
            let (literals, rest) = rest.split_at_checked(usize::from(*control) + 1)?;
            out.extend_from_slice(literals);
            rest
        } else {
            let (more, rest) = if high == 7 { rest.split_first()? } else { (&0, rest) };
            let (low, rest) = rest.split_first()?;
            let back = (usize::from(control & 0x1f) << 8 | usize::from(*low)) + 1;
            repeat(&mut out, back, high + usize::from(*more) + 2)?;
            rest
        };
        if out.len() > len {
            return None;
        }
    }
    (out.len() == len).then_some(out)
}

/// Adds `len` bytes that begin `back` bytes before the end; they may be bytes that this adds.
fn repeat(out: &mut Vec<u8>, back: usize, len: usize) -> Option<()> {
    let mut start = out.len().checked_sub(back)?;
    let mut left = len;
    while left > 0 {
        let part = left.min(out.len() - start);
        out.extend_from_within(start..start + part);
        start += part;
        left -= part;
    }
    Some(())
}

const HASH_BITS: u32 = 13;

/// Compresses one string after the other. What it remembers of earlier ones does no harm: every place is
/// compared before it is believed.
#[derive(Default)]
pub(super) struct Compressor {
    /// The last place of three bytes by their hash. Empty until it is needed.
    places: Vec<u32>,
}

impl Compressor {
    /// These bytes compressed, if that takes at most `len_max` bytes.
    pub(super) fn compress(&mut self, input: &[u8], len_max: usize) -> Option<Vec<u8>> {
        self.places.resize(1 << HASH_BITS, u32::MAX);
        let mut out = Vec::new();
        let (mut at, mut literals) = (0, 0);
        while let Some(three) = input.get(at..at + REPEAT_MIN) {
            let Some(earlier) = self.exchange(input, three, at) else {
                at += 1;
                continue;
            };
            let len = common_len(&input[earlier..], &input[at..]);
            push_literals(&mut out, &input[literals..at]);
            push_repeat(&mut out, at - earlier, len);
            if out.len() > len_max {
                return None;
            }
            at += len;
            literals = at;
        }
        push_literals(&mut out, &input[literals..]);
        (out.len() <= len_max).then_some(out)
    }

    /// Where these three bytes came before, near enough to be repeated. Remembers this place of them.
    fn exchange(&mut self, input: &[u8], three: &[u8], at: usize) -> Option<usize> {
        let word = u32::from_le_bytes([three[0], three[1], three[2], 0]);
        let slot = (word.wrapping_mul(0x9e37_79b1) >> (u32::BITS - HASH_BITS)) as usize;
        let earlier = std::mem::replace(&mut self.places[slot], at as u32) as usize;
        let is_near = earlier < at && at - earlier <= OFFSET_MAX;
        (is_near && input[earlier..].starts_with(three)).then_some(earlier)
    }
}

/// How many bytes both begin with, as far as one repetition goes.
fn common_len(earlier: &[u8], later: &[u8]) -> usize {
    let pairs = earlier.iter().zip(later).take(REPEAT_MAX);
    pairs.take_while(|(a, b)| a == b).count()
}

fn push_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for part in literals.chunks(LITERAL_MAX) {
        out.push(part.len() as u8 - 1);
        out.extend_from_slice(part);
    }
}

fn push_repeat(out: &mut Vec<u8>, back: usize, len: usize) {
    let (offset, len) = (back - 1, len - 2);
    let high = (offset >> 8) as u8;
    if len < 7 {
        out.extend([(len as u8) << 5 | high, offset as u8]);
    } else {
        out.extend([7 << 5 | high, (len - 7) as u8, offset as u8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_liblzf_compresses_is_read() {
        // `redis-server` dumps a hundred times `a` as this.
        assert_eq!(decompress(b"\x01aa\xe0\x57\x00\x01aa", 100), Some(vec![b'a'; 100]));
    }

    #[test]
    fn damaged_bytes_are_refused() {
        for (input, len) in [
            (&b"\x01a"[..], 2),
            (b"\x01aa", 3),
            (b"\x01aa", 1),
            (b"\xe0", 10),
            (b"\xe0\x00", 10),
            (b"\x00a\x20\x01", 4),
            (b"", 1),
            (b"\x00a\xe0\xff\x00", 1 << 40),
        ] {
            assert_eq!(decompress(input, len), None, "{input:?}");
        }
        assert_eq!(decompress(b"", 0), Some(Vec::new()));
        assert_eq!(decompress(b"\x00a\x20\x00", 4), Some(b"aaaa".to_vec()));
    }

    #[test]
    fn what_repeats_gets_short_and_what_does_not_is_given_up() {
        let mut compressor = Compressor::default();
        let long = b"the same again, ".repeat(1000);
        let short = compressor.compress(&long, long.len() - 4).unwrap();
        assert!(short.len() < long.len() / 50, "{} bytes", short.len());
        assert_eq!(decompress(&short, long.len()), Some(long));
        assert_eq!(compressor.compress(b"abcdefghijklmnopqrstuvwxyz", 22), None);
    }

    proptest! {
        #[test]
        fn what_is_compressed_reads_back(
            strings in prop::collection::vec("([abc]{0,40}|[a-z]{3}){0,60}", 1..4)
        ) {
            let mut compressor = Compressor::default();
            for string in strings {
                let short = compressor.compress(string.as_bytes(), usize::MAX).unwrap();
                prop_assert_eq!(decompress(&short, string.len()), Some(string.into_bytes()));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            input in prop::collection::vec(any::<u8>(), 0..60), len in 0usize..3000
        ) {
            if let Some(out) = decompress(&input, len) {
                prop_assert_eq!(out.len(), len);
            }
        }
    }
}

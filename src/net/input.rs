//! Bytes that were received and not executed yet: part of a request, or requests behind one that waits or behind
//! those of this turn.
//!
//! What is taken from the front leaves a gap, which is closed only when it is as large as the rest: so a long
//! pipeline that is executed piece by piece is moved once altogether, not once per piece. Memory that the rest does not
//! need is given back then, all of it when nothing is left.

/// Memory that is not worth giving back.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Input {
    bytes: Vec<u8>,
    /// How many at the front are executed.
    taken: usize,
}

impl Input {
    /// What is not executed yet.
    pub fn rest(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    pub fn len(&self) -> usize {
        self.bytes.len() - self.taken
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Adds bytes. `wanted` is how many the request at the front needs in all, as far as is known: room for the rest of a
    /// large one is made once, and no more than that, when a quarter of it is there (a length alone reserves nothing).
    pub fn append(&mut self, bytes: &[u8], wanted: usize) {
        let len = self.len() + bytes.len();
        if (len / 2..=3 * len).contains(&wanted.saturating_sub(len)) {
            self.bytes.reserve_exact(wanted - self.len());
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// So many bytes at the front are executed.
    pub fn take(&mut self, count: usize) {
        debug_assert!(count <= self.len(), "only what is there is executed");
        self.taken += count;
        if self.is_empty() {
            *self = Input::default();
        } else if self.taken >= self.len() {
            self.bytes.drain(..self.taken);
            self.taken = 0;
            if self.bytes.capacity() > KEPT_BYTES_MAX.max(4 * self.bytes.len()) {
                self.bytes.shrink_to(2 * self.bytes.len());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_large_request_gets_as_much_room_as_it_needs() {
        const WANTED: usize = 100 << 20;
        let mut input = Input::default();
        let piece = [b'x'; 64 << 10];
        for received in (0..WANTED).step_by(piece.len()) {
            assert!(input.capacity() <= WANTED.min(2 * received + piece.len()).max(4 * received));
            input.append(&piece, WANTED);
        }
        assert_eq!((input.len(), input.capacity()), (WANTED, WANTED));
        // An argument after the other, of which each is known when it begins.
        let (mut input, mut grown) = (Input::default(), 0);
        for received in (0..10 << 20).step_by(piece.len()) {
            let before = input.capacity();
            input.append(&piece, received + piece.len() + 20);
            grown += usize::from(input.capacity() != before);
        }
        assert!(grown < 20, "{grown}");
    }

    #[test]
    fn memory_is_given_back_while_a_long_pipeline_is_executed_and_at_its_end() {
        let mut input = Input::default();
        input.append(&[b'x'; 10 << 20], 0);
        let full = input.capacity();
        (0..159).for_each(|_| input.take(64 * 1024));
        assert_eq!(input.len(), 64 * 1024);
        assert!(input.capacity() < full / 8, "{} of {full}", input.capacity());
        input.take(64 * 1024);
        assert!(input.is_empty() && input.capacity() == 0);
    }

    proptest! {
        #[test]
        fn what_comes_out_is_what_went_in(steps in prop::collection::vec((0usize..300, 0usize..300), 0..60)) {
            let mut input = Input::default();
            let mut model = Vec::new();
            for (n, (add, take)) in steps.into_iter().enumerate() {
                let bytes: Vec<u8> = (0..add).map(|i| (n * 7 + i) as u8).collect();
                input.append(&bytes, (n * 31) % 700);
                model.extend_from_slice(&bytes);
                let take = take.min(model.len());
                prop_assert_eq!(&input.rest()[..take], &model[..take]);
                input.take(take);
                model.drain(..take);
                prop_assert_eq!(input.rest(), &model[..]);
                prop_assert_eq!(input.len(), model.len());
            }
        }
    }
}

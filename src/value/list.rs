/// To be written.
#[derive(Clone, Debug, Default)]
pub struct List {}

impl List {
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Bytes taken from the allocator.
    pub fn heap_bytes(&self) -> usize {
        0
    }

    /// The name that `OBJECT ENCODING` prints.
    pub fn encoding(&self) -> &'static str {
        "quicklist"
    }
}

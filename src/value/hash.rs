/// To be written.
#[derive(Clone, Debug, Default)]
pub struct Hash {}

impl Hash {
    /// Whether there is no field at all, expired ones included.
    pub fn is_empty(&self) -> bool {
        true
    }

    /// Bytes taken from the allocator.
    pub fn heap_bytes(&self) -> usize {
        0
    }

    /// The name that `OBJECT ENCODING` prints.
    pub fn encoding(&self) -> &'static str {
        "hashtable"
    }

    /// The earliest deadline of a field, in Unix milliseconds.
    pub fn next_deadline(&self) -> Option<i64> {
        None
    }

    /// Whether every field's deadline has passed: there is nothing left to see.
    pub fn is_expired(&self, _now_ms: i64) -> bool {
        false
    }

    /// Removes the fields whose deadlines have passed, at most `limit`; returns their names.
    pub fn remove_expired(&mut self, _now_ms: i64, _limit: usize) -> Vec<Vec<u8>> {
        Vec::new()
    }
}

//! What takes long: the slow `lane` is the queue, one `worker` works it off, and what walks through all keys does so in
//! `slices`.

pub(super) mod lane;
mod slices;
pub(super) mod worker;

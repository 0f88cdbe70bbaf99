//! All registers side by side, one in a byte, to merge several HyperLogLogs.

use super::estimate::{self, Histogram};
use super::{Encoding, HEADER, REGISTERS, Unusable, check, dense, sparse};

/// See the module's description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registers(Box<[u8; REGISTERS]>);

impl Default for Registers {
    fn default() -> Registers {
        Registers(Box::new([0; REGISTERS]))
    }
}

impl Registers {
    /// Raises each register to that of the HyperLogLog in `bytes`; tells how it was written.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<Encoding, Unusable> {
        let encoding = check(bytes)?;
        match encoding {
            Encoding::Dense => self.merge_dense(&bytes[HEADER..]),
            Encoding::Sparse => self.merge_sparse(&bytes[HEADER..])?,
        }
        Ok(encoding)
    }

    fn merge_dense(&mut self, packed: &[u8]) {
        for (own, values) in self.0.as_chunks_mut::<4>().0.iter_mut().zip(dense::groups(packed)) {
            own.iter_mut().zip(values).for_each(|(own, value)| *own = value.max(*own));
        }
    }

    fn merge_sparse(&mut self, runs: &[u8]) -> Result<(), Unusable> {
        let mut index = 0;
        for (_, run) in sparse::runs(runs) {
            let end = index + run.len;
            let covered = self.0.get_mut(index..end).ok_or(Unusable::Corrupted)?;
            covered.iter_mut().for_each(|own| *own = run.value.max(*own));
            index = end;
        }
        if index == REGISTERS { Ok(()) } else { Err(Unusable::Corrupted) }
    }

    /// Registers that are not 0, with their places.
    pub(super) fn occupied(&self) -> impl Iterator<Item = (usize, u8)> {
        self.0.iter().copied().enumerate().filter(|(_, value)| *value != 0)
    }

    /// Appends all registers in the dense form.
    pub(super) fn pack(&self, out: &mut Vec<u8>) {
        dense::pack(&self.0[..], out);
    }

    /// The estimate.
    pub fn count(&self) -> u64 {
        let mut histogram: Histogram = [0; dense::VALUE_MAX as usize + 1];
        self.0.iter().for_each(|value| histogram[usize::from(*value)] += 1);
        estimate::count(&histogram)
    }

    /// The values in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = u8> {
        self.0.iter().copied()
    }
}

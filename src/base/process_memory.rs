//! What the kernel says of memory: this process's, and the machine's.

/// Bytes of this process that are backed by real pages. `None` where `/proc` is missing.
pub fn resident_bytes() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Bytes of memory that the machine has.
pub fn system_bytes() -> u64 {
    let figures = rustix::system::sysinfo();
    // Both are of types that differ between machines.
    #[allow(clippy::useless_conversion)]
    let (units, unit_bytes) = (u64::from(figures.totalram), u64::from(figures.mem_unit));
    units * unit_bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_smaller_than_its_machine() {
        let resident = resident_bytes().expect("Linux has /proc");
        assert!(resident > 100_000 && resident < system_bytes(), "{resident}");
    }
}

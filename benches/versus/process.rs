//! What the kernel says of a process: CPU time, memory, children.

use std::fs;
use std::io;
use std::ops::Range;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

/// CPU time of all threads of a process, user and system, from the fields `utime` and `stime` of
/// `/proc/PID/stat`. Exact to one tick of 10 ms.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    cpu_time_in(pid, 11..13)
}

/// The same, and that of children that have ended (`cutime` and `cstime`).
pub fn cpu_time_with_children(pid: u32) -> io::Result<Duration> {
    cpu_time_in(pid, 11..15)
}

fn cpu_time_in(pid: u32, fields: Range<usize>) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let counts = &fields_after_name(&stat)[fields];
    let ticks: u64 = counts.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}

/// CPU time of those threads of a process that are alive, user and system, exact to what the scheduler counts. For
/// measurements that are too short for [`cpu_time`], during which no thread ends.
pub fn cpu_time_of_threads(pid: u32) -> io::Result<Duration> {
    let mut nanos = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(thread?.path().join("schedstat"))?;
        let running = text.split_whitespace().next().and_then(|field| field.parse::<u64>().ok());
        nanos += running.ok_or_else(|| io::Error::other("the kernel does not count CPU time"))?;
    }
    Ok(Duration::from_nanos(nanos))
}

/// CPU time since the machine was started, in ticks.
#[derive(Clone, Copy, Debug)]
pub struct MachineTime {
    total: u64,
    busy: u64,
    /// Used by this process, and by its children that have ended.
    own: u64,
}

impl MachineTime {
    pub fn now() -> io::Result<MachineTime> {
        let machine = fs::read_to_string("/proc/stat")?;
        let first_line = machine.lines().next().unwrap_or_default();
        let numbers = |fields: &mut dyn Iterator<Item = &str>| -> Vec<u64> {
            fields.filter_map(|field| field.parse().ok()).collect()
        };
        // user nice system idle iowait irq softirq steal; what follows is part of user and nice.
        let spent = numbers(&mut first_line.split_whitespace().skip(1).take(8));
        let idle: u64 = spent.iter().skip(3).take(2).sum();
        let total: u64 = spent.iter().sum();
        let own = fs::read_to_string("/proc/self/stat")?;
        let own = numbers(&mut fields_after_name(&own).into_iter().skip(11).take(4));
        Ok(MachineTime { total, busy: total - idle, own: own.iter().sum() })
    }

    /// The share of the machine's CPU time that others have used since then, from 0 to 1. It tells
    /// whether a measurement is worth anything.
    pub fn share_of_others(self, since: MachineTime) -> f64 {
        self.share_of_others_beside(Duration::ZERO, since)
    }

    /// The same, without so much time of a child that has not ended.
    pub fn share_of_others_beside(self, child: Duration, since: MachineTime) -> f64 {
        let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
        let of_child = (child.as_secs_f64() * ticks_per_second).round() as u64;
        let own = self.own.saturating_sub(since.own) + of_child;
        let others = self.busy.saturating_sub(since.busy).saturating_sub(own);
        others as f64 / self.total.saturating_sub(since.total).max(1) as f64
    }
}

/// The fields of `/proc/PID/stat` from the third on. The second is the name of the program in
/// parentheses, which may itself contain blanks and parentheses.
fn fields_after_name(stat: &str) -> Vec<&str> {
    let after = stat.rfind(')').map_or("", |end| &stat[end + 1..]);
    after.split_whitespace().collect()
}

/// Resident memory in bytes (`VmRSS`).
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    field_bytes(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmRSS:")
}

/// The highest `VmRSS` of the process's life, in bytes (`VmHWM`).
pub fn peak_resident_bytes(pid: u32) -> io::Result<u64> {
    field_bytes(&fs::read_to_string(format!("/proc/{pid}/status"))?, "VmHWM:")
}

/// Lets the highest `VmRSS` begin anew.
pub fn reset_peak_resident_bytes(pid: u32) -> io::Result<()> {
    fs::write(format!("/proc/{pid}/clear_refs"), "5")
}

/// Memory that only this process holds, in bytes. Of a forked child, pages that it still shares with
/// its parent do not count: the parent's `VmRSS` has them already.
pub fn private_bytes(pid: u32) -> io::Result<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    Ok(field_bytes(&rollup, "Private_Clean:")? + field_bytes(&rollup, "Private_Dirty:")?)
}

/// Reads `<name> <number> kB` from a file of such lines.
fn field_bytes(text: &str, name: &str) -> io::Result<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = value.and_then(|value| value.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| {
        io::Error::new(io::ErrorKind::NotFound, format!("the process has ended: no {name}"))
    })
}

/// What the machine can give before it would have to swap (`MemAvailable`).
pub fn available_bytes() -> io::Result<u64> {
    field_bytes(&fs::read_to_string("/proc/meminfo")?, "MemAvailable:")
}

/// Processes whose parent is this one. Processes come and go while this looks; those do not count.
pub fn children(pid: u32) -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(candidate) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(format!("/proc/{candidate}/stat")) else { continue };
        if fields_after_name(&stat).get(1).and_then(|parent| parent.parse().ok()) == Some(pid) {
            children.push(candidate);
        }
    }
    Ok(children)
}

/// Lets this process and its children open as many files as they are allowed to.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}

/// How many files this process may open.
pub fn descriptor_limit() -> usize {
    getrlimit(Resource::Nofile).current.map_or(usize::MAX, |limit| limit as usize)
}

//! How much of its memory and file descriptors the process uses.
//!
//! Memory is what is resident, against the smallest of what is set, the control group's limit and the machine's memory:
//! the group's own count would include files that the kernel can drop.

use std::fs;

/// The limits, read once.
#[derive(Debug)]
pub(super) struct Pressures {
    memory_bytes: u64,
    descriptors: u64,
}

impl Pressures {
    /// With this limit of memory; 0 is the system's own.
    pub(super) fn new(memory_bytes: u64) -> Self {
        let group = [
            "/sys/fs/cgroup/memory.max",
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        ];
        let group = group.iter().find_map(|path| number(&read(path)));
        let machine = kilobytes(&read("/proc/meminfo"), "MemTotal:");
        let set = Some(memory_bytes).filter(|bytes| *bytes > 0);
        let limits = [set, group, machine];
        Self {
            memory_bytes: limits.into_iter().flatten().min().unwrap_or(u64::MAX),
            descriptors: descriptor_limit(&read("/proc/self/limits")).unwrap_or(u64::MAX),
        }
    }

    /// The used shares, in thousandths. 0 where the system does not tell.
    pub(super) fn look(&self) -> (u32, u32) {
        let resident = kilobytes(&read("/proc/self/status"), "VmRSS:").unwrap_or(0);
        let open = open_descriptors();
        (
            permille(resident, self.memory_bytes),
            permille(open, self.descriptors),
        )
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn number(text: &str) -> Option<u64> {
    text.trim().parse().ok()
}

fn permille(used: u64, limit: u64) -> u32 {
    let share = u128::from(used) * 1000 / u128::from(limit.max(1));
    u32::try_from(share).unwrap_or(u32::MAX)
}

/// The value of a line as `VmRSS:   123 kB`, in bytes.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes = number(line.trim().strip_suffix("kB")?)?;
    kilobytes.checked_mul(1024)
}

/// The soft limit in `Max open files   1024   4096   files`.
fn descriptor_limit(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    number(line.split_whitespace().next()?)
}

/// Since Linux 6.2 the size of the folder is their number; before, they must be counted.
fn open_descriptors() -> u64 {
    let size = fs::metadata("/proc/self/fd").map_or(0, |folder| folder.len());
    match size {
        0 => fs::read_dir("/proc/self/fd").map_or(0, |folder| folder.count() as u64),
        size => size,
    }
}

#[cfg(test)]
mod tests {
    use super::{Pressures, descriptor_limit, kilobytes};

    #[test]
    fn what_the_system_tells_is_understood() {
        let status = "Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n";
        assert_eq!(kilobytes(status, "VmRSS:"), Some(2 << 20));
        let limits = "Limit   Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        assert_eq!(descriptor_limit(limits), Some(1024));
        let (memory, descriptors) = Pressures::new(0).look();
        assert!(memory < 1000 && descriptors < 1000);
        assert!(Pressures::new(4096).look().0 > 1000);
    }
}

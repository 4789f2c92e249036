//! A measured process: pinned to a core, its CPU time read from the kernel.

use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};

/// A process that ends when this is dropped.
pub(crate) struct Pinned(Child);

impl Pinned {
    /// Starts a program on one core; its log goes to a file.
    pub(crate) fn start(core: &str, program: &mut Command, log: &str) -> anyhow::Result<Self> {
        let out = fs::File::create(log)?;
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", core]).arg(program.get_program());
        pinned.args(program.get_args());
        for (name, value) in program.get_envs() {
            if let Some(value) = value {
                pinned.env(name, value);
            }
        }
        pinned
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let child = pinned
            .spawn()
            .with_context(|| format!("cannot start {program:?}"))?;
        Ok(Self(child))
    }

    /// Waits until it accepts connections.
    pub(crate) fn listens(&mut self, address: SocketAddr) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
                return Ok(());
            }
            let status = self.0.try_wait()?;
            ensure!(status.is_none(), "it ended before it listened: {status:?}");
            ensure!(Instant::now() < deadline, "nothing listens on {address}");
            std::thread::yield_now();
        }
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu_time(&self) -> io::Result<Duration> {
        let mut total = Duration::ZERO;
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
            let nanoseconds = text
                .split_whitespace()
                .next()
                .and_then(|word| word.parse().ok());
            total += Duration::from_nanos(nanoseconds.unwrap_or(0));
        }
        Ok(total)
    }

    /// The same with threads that have ended, in steps of 10 ms.
    pub(crate) fn process_time(&self) -> io::Result<Duration> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // After the name, which may hold anything: state is the first field, user and system time the 12th and 13th.
        let fields = text.rsplit_once(')').map_or("", |(_, fields)| fields);
        let times = fields.split_whitespace().skip(11).take(2);
        let ticks: u64 = times.filter_map(|it| it.parse::<u64>().ok()).sum();
        Ok(Duration::from_millis(ticks * 10))
    }

    /// Memory in use, in bytes.
    pub(crate) fn resident_bytes(&self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.0.id()))?;
        let pages = text
            .split_whitespace()
            .nth(1)
            .and_then(|word| word.parse::<u64>().ok());
        Ok(pages.unwrap_or(0) * 4096)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

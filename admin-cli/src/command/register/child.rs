//! The command that a registration is for.

use std::{ffi::OsString, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// What is added to the number of a signal that ended a process, as shells do.
const BY_SIGNAL: i32 = 128;

/// The command, if there is one.
#[derive(Debug)]
pub(super) struct Running(Option<Child>);

impl Running {
    /// Starts it. It ends with this process.
    pub(super) fn start(command: &[OsString]) -> anyhow::Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Ok(Self(None));
        };
        let child = Command::new(program)
            .args(arguments)
            .kill_on_drop(true)
            .spawn();
        let child = child.with_context(|| format!("cannot start `{}`", program.display()))?;
        Ok(Self(Some(child)))
    }

    pub(super) const fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Waits until it ends: its exit code. Never, where there is none.
    pub(super) async fn ended(&mut self) -> u8 {
        match &mut self.0 {
            Some(child) => child.wait().await.map_or(crate::FAILED, code),
            None => std::future::pending().await,
        }
    }

    /// Tells it to end and waits until it has: its exit code.
    pub(super) async fn stop(&mut self) -> u8 {
        let Some(child) = &mut self.0 else {
            return 0;
        };
        let pid = child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::TERM);
        }
        self.ended().await
    }
}

fn code(status: ExitStatus) -> u8 {
    let code = status.code();
    let code = code.or_else(|| status.signal().map(|signal| BY_SIGNAL + signal));
    code.and_then(|code| u8::try_from(code).ok())
        .unwrap_or(crate::FAILED)
}

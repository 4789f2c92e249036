//! `gatewright-data-plane`: one node.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::SUCCESS
}

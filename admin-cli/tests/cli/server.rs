//! Runs commands, with a control plane of their own where they need one.

use clap::{Args as _, Command, FromArgMatches as _};
use gatewright::Terminal;
use gatewright_control_plane::{ControlPlane, ControlSettings};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const TOKEN: &str = "a-token-for-tests";

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Its standard output; it must have succeeded.
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out
    }

    /// Its standard error; it must have failed.
    #[track_caller]
    pub(crate) fn failed(self) -> String {
        assert_eq!(self.code, 1, "{}{}", self.out, self.err);
        self.err
    }
}

/// Runs a command that needs no control plane.
pub(crate) async fn gatewright(arguments: &[&str], input: &str) -> Said {
    run(arguments, input, false).await
}

async fn run(arguments: &[&str], input: &str, interactive: bool) -> Said {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        input: Box::new(input.as_bytes()),
        out: Box::new(&mut out),
        err: Box::new(&mut err),
        colour: false,
        interactive,
        screen: false,
    };
    let arguments = ["gatewright"].iter().chain(arguments);
    let stop = CancellationToken::new();
    let code = Box::pin(gatewright::run(arguments, &mut terminal, stop)).await;
    drop(terminal);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said {
        code,
        out: text(out),
        err: text(err),
    }
}

/// What it encrypts secrets with.
const MASTER_KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A control plane on an empty database.
pub(crate) struct Server {
    control_plane: ControlPlane,
    folder: TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = format!("sqlite:{}", folder.path().join("store.db").display());
        let flags = [
            "test",
            "--database-url",
            &database,
            "--admin-token",
            TOKEN,
            "--master-key",
            MASTER_KEY,
            "--admin-listen",
            "127.0.0.1:0",
            "--discovery-listen",
            "127.0.0.1:0",
        ];
        let command = ControlSettings::augment_args(Command::new("test"));
        let matches = command.get_matches_from(flags);
        let settings = ControlSettings::from_arg_matches(&matches).unwrap();
        Self {
            control_plane: ControlPlane::start(&settings).await.unwrap(),
            folder,
        }
    }

    /// Runs a command against it.
    pub(crate) async fn gatewright(&self, arguments: &[&str]) -> Said {
        self.with_input(arguments, "").await
    }

    /// Runs a command against it, with standard input.
    pub(crate) async fn with_input(&self, arguments: &[&str], input: &str) -> Said {
        run(&self.arguments(arguments), input, false).await
    }

    /// Runs a command against it, and answers its question.
    pub(crate) async fn asked(&self, arguments: &[&str], answer: &str) -> Said {
        run(&self.arguments(arguments), answer, true).await
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.control_plane.admin)
    }

    /// A file in its folder with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Arguments with the connection to it, for what must come before others.
    pub(crate) fn connected<'a>(&self, arguments: &[&'a str]) -> Vec<&'a str> {
        self.arguments(arguments)
    }

    fn arguments<'a>(&self, arguments: &[&'a str]) -> Vec<&'a str> {
        let url: &'static str = Box::leak(self.url().into_boxed_str());
        let connection = ["--server", url, "--token", TOKEN];
        [arguments, &connection].concat()
    }
}

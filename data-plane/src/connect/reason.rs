//! Why a connection to a target could not be opened: for the log and the metrics. Clients are not told.

use std::{
    error::Error,
    io,
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use rustls::{AlertDescription, CertificateError, Error as TlsError};

use super::Origin;

/// Why there is no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Not in time.
    Timeout,
    /// Nobody listens.
    Refused,
    /// No way there, reset, or anything else that the system says.
    Unreachable,
    /// The target's certificate has expired.
    CertificateExpired,
    /// It is not valid yet.
    CertificateNotYetValid,
    /// It is for another name.
    CertificateName,
    /// It is not of an authority that is trusted.
    CertificateAuthority,
    /// There is something else wrong with it.
    CertificateInvalid,
    /// The target does not accept the gateway's certificate, or asks for one and gets none.
    ClientCertificate,
    /// TLS fails for another reason: no common version, not TLS at all.
    Tls,
    /// The target does not agree to speak HTTP/2.
    Alpn,
}

impl Reason {
    /// All of them, in order of their number.
    pub const ALL: [Self; 11] = [
        Self::Timeout,
        Self::Refused,
        Self::Unreachable,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateName,
        Self::CertificateAuthority,
        Self::CertificateInvalid,
        Self::ClientCertificate,
        Self::Tls,
        Self::Alpn,
    ];

    /// Its name in the access line and the metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::CertificateName => "certificate_name",
            Self::CertificateAuthority => "certificate_authority",
            Self::CertificateInvalid => "certificate_invalid",
            Self::ClientCertificate => "client_certificate",
            Self::Tls => "tls",
            Self::Alpn => "alpn",
        }
    }

    /// That of an error of the system, TLS or this module.
    pub fn of(error: &io::Error) -> Self {
        if let Some(error) = cause::<TlsError>(error) {
            return Self::of_tls(error);
        }
        if cause::<NoHttp2>(error).is_some() {
            return Self::Alpn;
        }
        if refused_by_target(error) {
            return Self::ClientCertificate;
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::TimedOut => Self::Timeout,
            // The target closed within the handshake.
            io::ErrorKind::UnexpectedEof => Self::Tls,
            _ => Self::Unreachable,
        }
    }

    const fn of_tls(error: &TlsError) -> Self {
        match error {
            TlsError::InvalidCertificate(invalid) => Self::of_certificate(invalid),
            TlsError::AlertReceived(AlertDescription::NoApplicationProtocol) => Self::Alpn,
            TlsError::AlertReceived(alert) if is_about_certificate(*alert) => {
                Self::ClientCertificate
            }
            _ => Self::Tls,
        }
    }

    const fn of_certificate(error: &CertificateError) -> Self {
        match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                Self::CertificateExpired
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::CertificateNotYetValid
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::CertificateName
            }
            // Signed by another authority, or by another one of the same name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                Self::CertificateAuthority
            }
            _ => Self::CertificateInvalid,
        }
    }
}

/// The target does not agree to speak HTTP/2.
#[derive(Debug, thiserror::Error)]
#[error("the target does not speak HTTP/2")]
pub(super) struct NoHttp2;

/// What a target says that ends TLS because of the gateway's certificate. In TLS 1.3 that comes when the handshake is over on
/// this side (RFC 8446, 4.4.2.4). It gets a kind of its own, which is all that is left of an error after HTTP/2.
pub(super) fn plainly(error: io::Error) -> io::Error {
    let tls = cause::<TlsError>(&error);
    match tls.map(Reason::of_tls) {
        Some(Reason::ClientCertificate) => io::Error::new(io::ErrorKind::PermissionDenied, error),
        _ => error,
    }
}

/// Whether it is that: the target has looked at nothing that was sent after the handshake.
pub(crate) fn refused_by_target(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::PermissionDenied && error.raw_os_error().is_none()
}

const fn is_about_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}

/// What of this type is within an error.
fn cause<T: Error + 'static>(error: &io::Error) -> Option<&T> {
    let mut inner: Option<&(dyn Error + 'static)> = error.get_ref().map(|it| it as _);
    while let Some(error) = inner {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // An error of `std::io` keeps what it is made of to itself unless asked.
        inner = match error.downcast_ref::<io::Error>() {
            Some(error) => error.get_ref().map(|it| it as _),
            None => error.source(),
        };
    }
    None
}

/// Milliseconds since the process began when something was last said of each reason.
static SAID: [AtomicU64; Reason::ALL.len()] = [const { AtomicU64::new(0) }; Reason::ALL.len()];
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
/// Least time between two messages of one reason.
const PAUSE_MS: u64 = 1_000;

/// Says in the log what is wrong with TLS to a target: somebody must do something about it. At most once a second for each
/// reason; the metrics have all of them.
pub(super) fn warn(origin: &Origin, error: &io::Error) {
    let reason = Reason::of(error);
    if matches!(
        reason,
        Reason::Timeout | Reason::Refused | Reason::Unreachable
    ) {
        return;
    }
    let now = u64::try_from(BEGAN.elapsed().as_millis()).unwrap_or(u64::MAX) + PAUSE_MS;
    let Some(said) = SAID.get(reason as usize) else {
        return;
    };
    let before = said.load(Ordering::Relaxed);
    let due = now.saturating_sub(before) >= PAUSE_MS;
    let mine = said.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed);
    if due && mine.is_ok() {
        let metrics = origin.link.metrics.as_ref();
        tracing::warn!(
            target = %origin.address,
            service = metrics.map(|it| &*it.service),
            reason = reason.as_str(),
            %error,
            "TLS to a target failed"
        );
    }
}

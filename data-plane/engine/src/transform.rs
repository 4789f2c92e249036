//! Bodies made into other bodies: pure, bounded, and as exact as what came in.

mod document;
mod error;
pub mod xml;

pub use document::Document;
pub use error::Untransformable;

//! Bodies made into other bodies: pure, bounded, and as exact as what came in.

mod document;
pub mod edit;
mod error;
mod place;
pub mod xml;

pub use document::Document;
pub use error::Untransformable;
pub use place::Place;

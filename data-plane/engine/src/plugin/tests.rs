//! What holds of every plugin type.

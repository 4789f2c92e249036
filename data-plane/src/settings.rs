//! Every flag and environment variable of a node.

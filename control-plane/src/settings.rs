//! Every flag and environment variable of a control plane.

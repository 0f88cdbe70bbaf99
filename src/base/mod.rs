//! Layer 0.

//! Loom models of kymo.

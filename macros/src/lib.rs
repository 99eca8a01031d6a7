//! The macros of kymo.

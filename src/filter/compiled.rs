//! Which levels are compiled in: the features `max_level_…` and `release_max_level_…`.

use crate::level::Level;

/// The least urgent level that was compiled in.
pub(crate) const COMPILED: u8 = compiled_level();

const fn compiled_level() -> u8 {
    const fn first(choices: [bool; 5]) -> Option<u8> {
        let mut level = 0;
        while level < choices.len() {
            if choices[level] {
                return Some(level as u8);
            }
            level += 1;
        }
        None
    }
    let release = [
        cfg!(feature = "release_max_level_off"),
        cfg!(feature = "release_max_level_error"),
        cfg!(feature = "release_max_level_warn"),
        cfg!(feature = "release_max_level_info"),
        cfg!(feature = "release_max_level_debug"),
    ];
    let always = [
        cfg!(feature = "max_level_off"),
        cfg!(feature = "max_level_error"),
        cfg!(feature = "max_level_warn"),
        cfg!(feature = "max_level_info"),
        cfg!(feature = "max_level_debug"),
    ];
    if !cfg!(debug_assertions)
        && let Some(level) = first(release)
    {
        return level;
    }
    match first(always) {
        Some(level) => level,
        None => Level::Trace as u8,
    }
}

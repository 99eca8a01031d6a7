//! Errors with what caused them: `as_error`.

use std::error::Error;
use std::fmt;

use crate::argument::eager::{Displayed, as_display};

/// The most causes that are shown. An error may be its own cause.
const MAX_CAUSES: usize = 32;

/// An error and the chain of its causes, made by [`as_error`].
#[derive(Clone, Copy)]
pub struct ErrorChain<'a>(pub(crate) &'a (dyn Error + 'a));

impl fmt::Display for ErrorChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        for _ in 0..MAX_CAUSES {
            let Some(error) = cause else { return Ok(()) };
            write!(f, ": {error}")?;
            cause = error.source();
        }
        if cause.is_some() { f.write_str(": …") } else { Ok(()) }
    }
}

/// Lets the log statement format an error and all that caused it, in the calling thread.
///
/// The text is that of the error, of its [`source`](Error::source), of that one's source, and so on: `a: b: c`. Flags,
/// width and precision of the placeholder have no effect, and `{:?}` prints what `{}` prints. With a name the text is
/// also a field of the record, for queries and JSON.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("app.kymo");
/// # let logger = kymo::Logger::builder(&path).start()?;
/// #[derive(Debug)]
/// struct NoConfig(std::io::Error);
///
/// impl std::fmt::Display for NoConfig {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         f.write_str("no configuration")
///     }
/// }
///
/// impl std::error::Error for NoConfig {
///     fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
///         Some(&self.0)
///     }
/// }
///
/// let error = NoConfig(std::io::Error::other("the disk is gone"));
/// kymo::error!("cannot start: {err}", err = kymo::as_error(&error));
/// # logger.shutdown();
/// # let mut reader = kymo_reader::Reader::open(&path)?;
/// # let record = reader.next_record()?.expect("a record");
/// # let mut text = String::new();
/// # record.message(&mut text);
/// # assert_eq!(text, "cannot start: no configuration: the disk is gone");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It takes a reference to any error, and what is in a box, or in an `anyhow::Error`, as `&*error`:
///
/// ```
/// let error: Box<dyn std::error::Error + Send + Sync> = "no such order".into();
/// kymo::warn!("{}", kymo::as_error(&*error));
/// ```
///
/// A text is no error, and is logged as it is:
///
/// ```compile_fail,E0277
/// kymo::warn!("{}", kymo::as_error("no such order"));
/// ```
///
/// Of the causes, the first 32 are shown. An error whose own text has the text of its cause shows that twice: such an
/// error is to be logged by [`as_display`]. That function says what formatting costs, and when a text is cut.
pub fn as_error<'a>(error: &'a (dyn Error + 'a)) -> Displayed<ErrorChain<'a>> {
    as_display(ErrorChain(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text, a cause, and whether it is its own cause.
    #[derive(Debug)]
    struct Caused<'a>(&'a str, Option<Box<Caused<'static>>>, bool);

    impl fmt::Display for Caused<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Caused<'static> {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            if self.2 { Some(self) } else { self.1.as_ref().map(|cause| &**cause as _) }
        }
    }

    fn chain(causes: usize) -> Caused<'static> {
        let end = Caused("e", None, false);
        (0..causes).fold(end, |cause, _| Caused("e", Some(Box::new(cause)), false))
    }

    #[test]
    fn the_text_has_all_causes() {
        for causes in [0, 1, 2, 31, 32] {
            let error = chain(causes);
            assert_eq!(as_error(&error).to_string(), vec!["e"; causes + 1].join(": "));
            assert_eq!(format!("{:>80?}", as_error(&error)), as_error(&error).to_string());
        }
    }

    #[test]
    fn the_chain_is_bounded() {
        let expected = vec!["e"; 33].join(": ") + ": …";
        assert_eq!(as_error(&chain(33)).to_string(), expected);
        assert_eq!(as_error(&Caused("e", None, true)).to_string(), expected);
    }

    /// Whatever holds the error.
    #[test]
    fn any_error_is_taken() {
        let text = "e: e";
        let local: Box<dyn Error> = Box::new(chain(1));
        let shared: std::sync::Arc<dyn Error + Send + Sync> = std::sync::Arc::new(chain(1));
        let sent: Box<dyn Error + Send + Sync> = Box::new(chain(1));
        let reference: &(dyn Error + 'static) = &*local;
        assert_eq!(as_error(&*local).to_string(), text);
        assert_eq!(as_error(&*shared).to_string(), text);
        assert_eq!(as_error(&*sent).to_string(), text);
        assert_eq!(as_error(reference).to_string(), text);
        assert_eq!(as_error(&reference).to_string(), text);
    }
}

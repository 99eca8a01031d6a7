//! A file that appears under its name when it is complete. Until then it has another name beside it. If
//! it is not completed, it is removed.

use std::fs::{File, Permissions};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use tempfile::NamedTempFile;

/// A file that is being written.
pub struct Fresh {
    temporary: NamedTempFile,
    path: PathBuf,
    replace: bool,
}

/// Why a file cannot be made.
#[derive(Debug)]
pub enum FreshFileError {
    Exists,
    /// The path is a directory, a link or a device.
    NotAFile,
    /// It is one of the input files.
    Input,
    Io(io::Error),
}

impl Fresh {
    /// Begins the file at `path`, made from `inputs`. An existing file is an error, or is replaced.
    pub fn create<'p>(
        path: &Path,
        replace: bool,
        inputs: impl IntoIterator<Item = &'p PathBuf>,
    ) -> Result<Self, FreshFileError> {
        match path.symlink_metadata() {
            Ok(there) => {
                if inputs.into_iter().any(|input| is_same(input, path)) {
                    return Err(FreshFileError::Input);
                }
                if !replace {
                    return Err(FreshFileError::Exists);
                }
                if !there.is_file() {
                    return Err(FreshFileError::NotAFile);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(FreshFileError::Io(error)),
        }
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let mut builder = tempfile::Builder::new();
        builder.prefix(".kymo-").suffix(".part");
        if let Some(permissions) = permissions() {
            builder.permissions(permissions);
        }
        let temporary = builder.tempfile_in(folder).map_err(FreshFileError::Io)?;
        Ok(Self { temporary, path: path.to_owned(), replace })
    }

    /// The file to write to.
    pub fn file(&mut self) -> &mut File {
        self.temporary.as_file_mut()
    }

    /// Its temporary path.
    pub fn temporary_path(&self) -> &Path {
        self.temporary.path()
    }

    /// Gives it its name.
    pub fn complete(self) -> Result<(), FreshFileError> {
        let named = match self.replace {
            true => self.temporary.persist(&self.path),
            false => self.temporary.persist_noclobber(&self.path),
        };
        match named {
            Ok(_) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(FreshFileError::Exists)
            }
            Err(error) => Err(FreshFileError::Io(error.error)),
        }
    }
}

/// The permissions of a new file: all, without the process's mask.
#[cfg(unix)]
fn permissions() -> Option<Permissions> {
    use std::os::unix::fs::PermissionsExt;
    Some(Permissions::from_mode(0o666))
}

#[cfg(not(unix))]
fn permissions() -> Option<Permissions> {
    None
}

/// Whether both are the same file, by whatever names.
#[cfg(unix)]
fn is_same(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |path: &Path| path.metadata().map(|it| (it.dev(), it.ino()));
    matches!((identity(a), identity(b)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(not(unix))]
fn is_same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

impl fmt::Display for FreshFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists => f.write_str("exists already; nothing was written"),
            Self::NotAFile => f.write_str("is not a regular file, and is not replaced"),
            Self::Input => f.write_str("is the file that is read; give the result another name"),
            Self::Io(error) => write!(f, "cannot write it: {error}"),
        }
    }
}

impl std::error::Error for FreshFileError {}

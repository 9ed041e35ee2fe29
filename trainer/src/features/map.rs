//! A file as memory, without reading it.

use std::fs::File;

use bytes::Bytes;

/// The whole file. It stays readable when its name is removed or given to another file.
///
/// # Errors
/// The system cannot map it.
#[expect(unsafe_code, reason = "whoever maps a file vouches for it")]
pub(super) fn map(file: &File) -> std::io::Result<Bytes> {
    // SAFETY: segments and their copies are written under another name, renamed into place and never written again, so
    // that nobody changes or shortens what is mapped; what the bytes say is checked before it is used.
    let mapped = unsafe { memmap2::Mmap::map(file)? };
    Ok(Bytes::from_owner(mapped))
}

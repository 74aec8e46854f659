//! Files that are packed: gzip, told by the first bytes and not by the name.
//!
//! They are unpacked into memory when they are opened, so that no reader need know of it. What comes
//! out may be a thousand times as large as the file, and a file may be made to fill the memory, so there
//! is a limit. Memory is taken only as bytes really arrive.

use super::{GZIP, Input};
use crate::error::Result;

/// The bytes within a packed file; nothing if it is not packed.
///
/// # Errors
///
/// [`crate::Error::Io`] if the system refuses to read, [`crate::Error::File`] if the packed data are
/// damaged, if they become more than a file of honest data does, or if memory does not suffice.
#[cfg(feature = "cli")]
pub(super) fn unpack(input: &Input) -> Result<Option<Vec<u8>>> {
    if !input.start().starts_with(GZIP) {
        return Ok(None);
    }
    let unpacked = flate2::bufread::MultiGzDecoder::new(input.reader());
    read(input, unpacked).map(Some)
}

/// Says what is missing.
#[cfg(not(feature = "cli"))]
pub(super) fn unpack(input: &Input) -> Result<Option<Vec<u8>>> {
    if !input.start().starts_with(GZIP) {
        return Ok(None);
    }
    Err(input.error(
        "this is a gzip file, which only a build with the feature `cli` reads: unpack it with gunzip, \
         or enable the feature",
    ))
}

/// What a file of so many bytes may become: 64 MiB as soon as the format can make that of it, a hundred
/// times its length beyond that. Tables and images become three to fifty times as large.
#[cfg(feature = "cli")]
fn most(length: u64) -> u64 {
    /// Deflate spends at least two bits on a repetition of at most 258 bytes.
    const GREATEST_EXPANSION: u64 = 1032;
    let usual = length.saturating_mul(100).max(64 << 20);
    length.saturating_mul(GREATEST_EXPANSION).min(usual)
}

/// Everything that `unpacked` gives, up to the limit.
#[cfg(feature = "cli")]
fn read(input: &Input, unpacked: impl std::io::Read) -> Result<Vec<u8>> {
    use crate::error::Error;
    use std::io::{ErrorKind, Read};

    let most = most(input.length());
    // The buffer starts at no more than the file's length, and at most doubles as it fills.
    let mut bytes = Vec::with_capacity(usize::try_from(input.length().min(most)).unwrap_or(0));
    let outcome = unpacked.take(most + 1).read_to_end(&mut bytes);
    outcome.map_err(|e| match e.kind() {
        ErrorKind::UnexpectedEof => {
            input.error("the gzip data end too early: the file is cut off, fetch it again")
        }
        ErrorKind::InvalidInput | ErrorKind::InvalidData => {
            input.error(format!("the gzip data are damaged ({e}): fetch the file again"))
        }
        ErrorKind::OutOfMemory => input.error(
            "this does not fit into memory when it is unpacked: unpack it with gunzip and name the \
             result",
        ),
        _ => Error::io(input.path(), e),
    })?;
    if bytes.len() as u64 > most {
        return Err(input.error(format!(
            "these {} bytes become more than {most}, as in a file that is made to fill the memory: \
             if it is sound, unpack it with gunzip and name the result",
            input.length()
        )));
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Err(
            input.error("this is a packed archive: unpack it with tar xzf and name a file in it")
        );
    }
    bytes.shrink_to_fit();
    Ok(bytes)
}

#[cfg(not(feature = "cli"))]
#[cfg(test)]
mod tests {
    use super::super::testing::{assert_refused, input};

    #[test]
    fn gzip_needs_the_feature() {
        assert_refused(input(&[0x1f, 0x8b, 8, 0]), "feature `cli`");
    }
}

#[cfg(feature = "cli")]
#[cfg(test)]
mod tests {
    use std::io::{self, Read, Write};

    use flate2::{Compression, write::GzEncoder};

    use super::super::testing::{assert_refused, input};
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn a_packed_file_is_the_same_as_a_plain_one() {
        let plain = (0..3000u32).map(|i| (i * i / 8) as u8).collect::<Vec<_>>();
        // Two members one after the other are one file, as `cat a.gz b.gz` makes it.
        let members = [gzip(&plain[..100]), gzip(&plain[100..])].concat();
        for packed in [gzip(&plain), members] {
            let found = input(&packed).unwrap();
            assert_eq!((found.length(), found.start()), (3000, &plain[..16]));
            let mut all = vec![0; 3000];
            found.read_exact_at(&mut all, 0).unwrap();
            assert_eq!(all, plain);
        }
    }

    #[test]
    fn damaged_files_are_refused() {
        let good = gzip(&[7; 1000]);
        for length in 2..good.len() {
            assert_refused(input(&good[..length]), "end too early");
        }
        let mut wrong_checksum = good.clone();
        let checksum = good.len() - 8;
        wrong_checksum[checksum] ^= 1;
        assert_refused(input(&wrong_checksum), "damaged");
        assert_refused(input(&[&good[..], b"something else"].concat()), "damaged");
        assert_refused(input(&gzip(b"")), "empty");
        let mut archive = vec![b'x'; 600];
        archive[257..262].copy_from_slice(b"ustar");
        assert_refused(input(&gzip(&archive)), "a packed archive");
        // It is unpacked once.
        assert_eq!(input(&gzip(&good)).unwrap().start(), &good[..16]);
    }

    /// A reader that counts what is taken from it, and never ends.
    struct Endless<'a>(&'a mut u64);

    impl Read for Endless<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            *self.0 += buffer.len() as u64;
            buffer.fill(0);
            Ok(buffer.len())
        }
    }

    #[test]
    fn no_more_is_unpacked_than_a_file_of_that_size_may_become() {
        let (small, mut taken) = (input(&[0; 50]).unwrap(), 0);
        assert_refused(read(&small, Endless(&mut taken)), "become more than 51600");
        assert!(taken <= 51_601, "{taken} bytes were unpacked");
        assert_eq!([most(1 << 20), most(1 << 30)], [100 << 20, 100 << 30]);
    }
}

//! The compressors that rpm writes payloads with: gzip, xz, lzma, zstd, none.
//!
//! Memory is limited for each: a payload may ask for a window of any size, and rpm's own levels
//! stay far below these limits. bzip2 (until Fedora 11, 2009) is not read.

use flate2::read::MultiGzDecoder;
use liblzma::read::XzDecoder;
use liblzma::stream::Stream;
use std::io::{self, BufRead, Read};

/// Bytes that an xz payload may ask for; `xz -9` needs 65 MiB.
const XZ_MEMORY: u64 = 192 << 20;
/// The window of a zstd payload as a power of two; `zstd --ultra -22` uses 27.
const ZSTD_WINDOW: u32 = 27;

/// A decompressor over `reader` by its name in PAYLOADCOMPRESSOR. Where there is none, rpm means
/// gzip, which for rpm is also what is not compressed at all.
///
/// # Errors
/// For a name that is not known and for libraries that do not start.
pub(super) fn decompressor<'a>(
    name: Option<&[u8]>,
    mut reader: impl BufRead + 'a,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match name.unwrap_or(b"gzip") {
        b"gzip" if reader.fill_buf()?.starts_with(&[0x1f, 0x8b]) => {
            Box::new(MultiGzDecoder::new(reader))
        }
        b"xz" => {
            let stream = Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            Box::new(XzDecoder::new_stream(reader, stream))
        }
        b"lzma" => {
            let stream = Stream::new_lzma_decoder(XZ_MEMORY)?;
            Box::new(XzDecoder::new_stream(reader, stream))
        }
        b"zstd" => {
            let mut decoder = zstd::Decoder::with_buffer(reader)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
        b"gzip" | b"none" | b"identity" => Box::new(reader),
        other => {
            let name = String::from_utf8_lossy(other);
            let text = format!("its compressor {name:?} is not supported");
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
    })
}

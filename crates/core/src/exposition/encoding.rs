//! Compressed pages: what may be sent, and inflating it within bounds.

use std::io::{self, Write};

use flate2::write::GzDecoder;

use super::{Problem, excerpt};

/// The value of the request header `Accept-Encoding`.
pub const ACCEPT_ENCODING: &str = "gzip";
/// The most that a byte may inflate to beyond [`FREE`]. Metrics pages reach 10 to 50, zeros 1000.
pub const MAX_RATIO: usize = 200;
/// So much may come out of however few bytes.
const FREE: usize = 1 << 20;

/// How a page is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    Identity,
    /// Compressed by gzip.
    Gzip,
}

impl Encoding {
    /// By the answer's `Content-Encoding`.
    pub fn of(content_encoding: Option<&str>) -> Result<Self, Problem> {
        let named = content_encoding.unwrap_or_default().trim().to_ascii_lowercase();
        match named.as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            _ => Err(Problem::UnknownEncoding { encoding: excerpt(&named) }),
        }
    }
}

/// Inflates one gzip stream, piece by piece.
pub(super) struct Inflater {
    decoder: GzDecoder<Vec<u8>>,
    /// Bytes before and after.
    taken: usize,
    given: usize,
}

impl Inflater {
    pub fn new() -> Self {
        Self { decoder: GzDecoder::new(Vec::new()), taken: 0, given: 0 }
    }

    /// Inflates a chunk and hands on what comes out, in pieces of bounded size.
    pub fn feed(
        &mut self,
        mut chunk: &[u8],
        mut to: impl FnMut(&[u8]) -> Result<(), Problem>,
    ) -> Result<(), Problem> {
        while !chunk.is_empty() {
            let taken = match self.decoder.write(chunk) {
                // The stream has ended.
                Ok(0) => return Err(Problem::BrokenGzip("there is more after its end")),
                Ok(taken) => taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Err(Problem::BrokenGzip("it can't be inflated")),
            };
            chunk = chunk.get(taken..).unwrap_or_default();
            self.taken += taken;
            self.hand_on(&mut to)?;
        }
        Ok(())
    }

    /// The rest, once the stream has come to its end and its checksum fits.
    pub fn finish(mut self, mut to: impl FnMut(&[u8]) -> Result<(), Problem>) -> Result<(), Problem> {
        self.decoder.try_finish().map_err(|_| Problem::BrokenGzip("it is cut off or damaged"))?;
        self.hand_on(&mut to)
    }

    fn hand_on(&mut self, to: &mut impl FnMut(&[u8]) -> Result<(), Problem>) -> Result<(), Problem> {
        let out = self.decoder.get_mut();
        self.given += out.len();
        if self.given > FREE && self.given / MAX_RATIO > self.taken {
            return Err(Problem::Bomb);
        }
        to(out)?;
        out.clear();
        Ok(())
    }
}

impl std::fmt::Debug for Inflater {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inflater")
            .field("taken", &self.taken)
            .field("given", &self.given)
            .finish_non_exhaustive()
    }
}

//! The log as JSON lines: readable with any tool, verifiable without the host.
//!
//! The first line says where the chain begins, each other line is one record with its number, its
//! predecessor's hash and its own, the last line says how the chain ends, so that a cut is found.
//! A record's content is its payload's JSON; printed compactly in the order of its keys it is the
//! payload's bytes again, from which the frame and its hash are made anew.

use crate::error::Error;
use crate::frame::Frame;
use crate::hash::RecordHash;
use crate::verify::{BrokenAt, Chain, Defect, Verification, Verified};
use crate::witness::Head;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};

/// The version of the lines' form.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    #[serde(rename = "cambium-txlog")]
    format: u32,
    after: u64,
    previous: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    number: u64,
    previous: String,
    hash: String,
    record: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Trailer {
    records: u64,
    head: String,
}

fn write(writer: &mut dyn Write, line: &impl Serialize) -> Result<(), Error> {
    let mut text = serde_json::to_vec(line).map_err(Error::Encode)?;
    text.push(b'\n');
    writer.write_all(&text).map_err(Error::Export)
}

pub(crate) fn header(writer: &mut dyn Write, anchor: Head) -> Result<(), Error> {
    let previous = anchor.hash.to_string();
    write(writer, &Header { format: FORMAT, after: anchor.number, previous })
}

/// One record; `chain` has just followed `frame`.
pub(crate) fn line(writer: &mut dyn Write, chain: &Chain, frame: &[u8]) -> Result<(), Error> {
    let broken = |why: String| {
        Error::Broken(BrokenAt { record: chain.head().number, defect: Defect::Frame(why) })
    };
    let Frame { number, previous, payload } =
        Frame::decode(frame).map_err(|why| broken(why.to_string()))?;
    let record = serde_json::from_slice(&payload).map_err(|why| broken(why.to_string()))?;
    let (previous, hash) = (previous.to_string(), chain.head().hash.to_string());
    write(writer, &Line { number, previous, hash, record })
}

pub(crate) fn trailer(writer: &mut dyn Write, verified: Verified) -> Result<(), Error> {
    write(writer, &Trailer { records: verified.records, head: verified.head.to_string() })?;
    writer.flush().map_err(Error::Export)
}

/// Checks what [`crate::Log::export`] wrote, on any machine. The head that it returns is to be
/// compared with one that was kept: whoever rewrites everything makes a chain that holds.
///
/// # Errors
/// When `reader` fails. Lines that do not hold are an answer.
pub fn verify_export(reader: impl Read) -> Result<Verification, Error> {
    let mut lines = BufReader::new(reader).lines();
    let mut next = || match lines.next() {
        None => Ok(None),
        Some(Ok(line)) => Ok(Some(line)),
        Some(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            Ok(Some(String::new()))
        }
        Some(Err(error)) => Err(Error::ReadExport(error)),
    };
    let anchor = next()?.as_deref().and_then(read_header);
    let Some(anchor) = anchor else {
        return Ok(Verification::Broken(BrokenAt { record: 0, defect: Defect::Anchor }));
    };
    let mut chain = Chain::after(anchor);
    let missing =
        |chain: &Chain| Verification::Broken(chain.broken(Defect::Missing { found: None }));
    while let Some(text) = next()? {
        if let Ok(trailer) = serde_json::from_str::<Trailer>(&text) {
            let verified = chain.verified();
            if trailer.records > verified.records {
                return Ok(missing(&chain));
            }
            let same =
                trailer.records == verified.records && trailer.head == verified.head.to_string();
            let nothing_more = next()?.is_none();
            let head = BrokenAt { record: chain.head().number, defect: Defect::Head };
            return Ok(if same && nothing_more {
                Verification::Intact(verified)
            } else {
                Verification::Broken(head)
            });
        }
        if let Err(broken) = follow(&mut chain, &text) {
            return Ok(Verification::Broken(broken));
        }
    }
    // Without its last line an export may have been cut anywhere.
    Ok(missing(&chain))
}

fn read_header(text: &str) -> Option<Head> {
    let header: Header = serde_json::from_str(text).ok()?;
    let hash = header.previous.parse().ok()?;
    (header.format == FORMAT).then_some(Head { number: header.after, hash })
}

fn follow(chain: &mut Chain, text: &str) -> Result<(), BrokenAt> {
    let refused = chain.broken(Defect::Chain);
    let line: Line =
        serde_json::from_str(text).map_err(|why| chain.broken(Defect::Frame(why.to_string())))?;
    let previous = line.previous.parse().map_err(|_| refused.clone())?;
    let payload = serde_json::to_vec(&line.record)
        .map_err(|why| chain.broken(Defect::Payload(why.to_string())))?;
    let frame = Frame { number: line.number, previous, payload }.encode();
    chain.follow(&frame)?;
    let hash: Result<RecordHash, _> = line.hash.parse();
    if hash == Ok(chain.head().hash) { Ok(()) } else { Err(refused) }
}

//! Raw bytes on fresh connections: what is answered, and whether the connection stays.

use std::time::Duration;

use anyhow::Result;

use super::rules;
use super::run::{Difference, Runner};
use super::signature::abstracted;
use crate::peer::{Link, Reply, Sides, exchange_until};
use crate::wire::printable;

/// A raw script whose end no server answers is given this long.
const RAW_QUIET: Duration = Duration::from_millis(12);
/// The same when it mattered.
const RAW_QUIET_PATIENT: Duration = Duration::from_millis(300);
/// The same once more, for machines that do more than they can.
const RAW_QUIET_STUBBORN: Duration = Duration::from_secs(3);
/// A piece over this may be a line beyond the limit of 64 KiB.
const LONG_PIECE_BYTES: usize = 60_000;
/// A pause between the pieces of raw bytes, so that they arrive as several reads.
const PIECE_PAUSE: Duration = Duration::from_millis(1);
/// What a raw script ends with: it tells a connection that still listens from one that waits for more bytes.
const SENTINEL: &[u8] = b"\r\n*2\r\n$4\r\nECHO\r\n$15\r\nEND-OF-RAW-DATA\r\n";
const SENTINEL_REPLY: &[u8] = b"$15\r\nEND-OF-RAW-DATA\r\n";

impl Runner {
    /// Raw bytes on fresh connections. A difference is looked at once more with patience, because a server that is only
    /// late looks as if it waited for more bytes.
    pub fn raw(&mut self, pieces: &[Vec<u8>]) -> Result<Option<Difference>> {
        let mut story = self.raw_once(pieces, RAW_QUIET)?;
        for quiet in [RAW_QUIET_PATIENT, RAW_QUIET_STUBBORN] {
            if story.oracle != story.subject {
                story = self.raw_once(pieces, quiet)?;
            }
        }
        if story.oracle == story.subject {
            return Ok(None);
        }
        let shown: Vec<_> = pieces.iter().map(|piece| printable(piece)).collect();
        Ok(Some(Difference {
            action: 0,
            request: format!("raw bytes {}", shown.join(" + ")),
            signature: raw_signature(&story),
            expected: story.oracle.join(", "),
            got: story.subject.join(", "),
        }))
    }

    fn raw_once(&mut self, pieces: &[Vec<u8>], quiet: Duration) -> Result<Sides<Vec<String>>> {
        let mut links = self.connect()?;
        let answered = |link: &Link| {
            link.replies
                .last()
                .is_some_and(|reply| matches!(reply, Reply::Raw(raw) if raw == SENTINEL_REPLY))
        };
        for (i, piece) in pieces.iter().enumerate() {
            if i > 0 {
                std::thread::sleep(PIECE_PAUSE);
            }
            if is_http(piece) {
                // Such a line closes the connection before replies that are still to be written.
                exchange_until(&mut links, quiet, |link| link.is_closed());
            }
            for link in [&mut links.oracle, &mut links.subject] {
                link.queue(piece);
                link.write_some();
            }
            if quiet > RAW_QUIET {
                // A server that closes with bytes unread resets the connection, and what it said before is lost
                // unless it was read in time. So everything is read before more is sent.
                exchange_until(&mut links, RAW_QUIET_PATIENT / 10, Link::is_closed);
            }
            if piece.len() > LONG_PIECE_BYTES {
                // Whether a line is too long is seen when it has come whole and its end has not.
                exchange_until(&mut links, RAW_QUIET_PATIENT / 4, Link::is_closed);
            }
        }
        links.oracle.queue(SENTINEL);
        links.subject.queue(SENTINEL);
        exchange_until(&mut links, quiet, |link| answered(link) && !link.wants_write());
        Ok(links.as_ref().map(|link| raw_story(link, answered(link))))
    }
}

fn is_http(piece: &[u8]) -> bool {
    let upper = piece.to_ascii_uppercase();
    memchr::memmem::find(&upper, b"POST").is_some()
        || memchr::memmem::find(&upper, b"HOST:").is_some()
}

/// The replies of a raw script and how the connection ended.
fn raw_story(link: &Link, answered: bool) -> Vec<String> {
    let shown = |reply: &Reply| match reply.value() {
        // A raw script may say HELLO, whose ids and versions agree as little there as anywhere.
        Some(value) if value.get("proto").is_some() => rules::hello(&value).show(),
        _ => reply.show(),
    };
    let mut story: Vec<String> = link.replies.iter().map(shown).collect();
    story.push(if answered {
        "(open)".to_owned()
    } else if link.is_closed() {
        "(closed)".to_owned()
    } else {
        format!("(waits for more, {} bytes of a reply begun)", link.rest().len())
    });
    story
}

fn raw_signature(story: &Sides<Vec<String>>) -> String {
    let at = story.oracle.iter().zip(&story.subject).position(|(a, b)| a != b).unwrap_or(0);
    let form = |story: &[String]| story.get(at).map(|text| abstracted(text)).unwrap_or_default();
    format!("raw {} / {}", form(&story.oracle), form(&story.subject))
}

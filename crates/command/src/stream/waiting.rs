//! What XREAD and XREADGROUP with BLOCK wait for.
//!
//! XREAD waits for entries behind an ID that is fixed when it begins: a stream that is deleted and made anew serves it
//! only with greater IDs. XREADGROUP waits for what its group has not read; it is told, too, when the group is
//! gone, or its stream. It waits only if all of its IDs are `>`, since others are always answered.

use super::read::{Wish, wish, xreadgroup};
use super::{ID_BYTES_MAX, id, write_id};
use crate::{Args, Ctx, Failure, Wait, wait};
use store::{Look, Stream, StreamId};

/// There is no stream any more where a client waits for one.
const KEY_GONE: Failure = Failure::new("UNBLOCKED the stream key no longer exists");
/// The stream has no such group any more.
const GROUP_GONE: Failure =
    Failure::new("NOGROUP the consumer group this client was blocked on no longer exists");

/// Words of the options and of one stream, to be run when it may have something.
fn words(args: &Args<'_>, wish: &Wish<'_>, key: usize, after: &[u8]) -> Vec<Box<[u8]>> {
    let count = itoa::Buffer::new().format(wish.count).to_owned();
    let mut words: Vec<&[u8]> = vec![args.get(0)];
    if let Some((group, consumer)) = wish.group {
        words.extend([b"GROUP", group, consumer]);
    }
    if wish.count != u64::MAX {
        words.extend([b"COUNT", count.as_bytes()]);
    }
    words.extend([&b"BLOCK"[..], b"0"]);
    if wish.forget {
        words.push(b"NOACK");
    }
    words.extend([b"STREAMS", args.get(key), after]);
    wait::owned(words)
}

/// What XREAD waits for, which has begun behind the IDs `after`; `None` if it does not wait.
pub fn for_entries(args: &Args<'_>, wish: &Wish<'_>, after: &[StreamId]) -> Option<Box<Wait>> {
    let positions = wish.first..wish.first + wish.streams;
    let words = |key: usize| {
        let mut text = [0; ID_BYTES_MAX];
        let len = write_id(after[key - wish.first], &mut text);
        words(args, wish, key, &text[..len])
    };
    Some(Wait::new(wish.timeout_us?, args, positions, words))
}

/// What XREADGROUP waits for; `None` if it does not wait.
pub fn for_news(args: &Args<'_>, wish: &Wish<'_>) -> Option<Box<Wait>> {
    let positions = wish.first..wish.first + wish.streams;
    Some(Wait::new(wish.timeout_us?, args, positions, |key| words(args, wish, key, b">")))
}

/// Whether there is an entry behind an ID. O(log n).
fn is_behind(stream: &Stream, after: StreamId) -> bool {
    let mut any = false;
    if let Some(start) = after.next() {
        stream.each(start, StreamId::MAX, |_| {
            any = true;
            false
        });
    }
    any
}

/// Whether the stream of XREAD's words has an entry behind its ID.
pub fn has_more(ctx: &mut Ctx<'_>, args: &Args<'_>) -> bool {
    let Ok(wish) = wish(args, false) else { return false };
    let Ok(after) = id::exact(args.get(wish.first + wish.streams), 0) else { return false };
    let now = ctx.now;
    let stream = ctx.keyspace().stream(&args.key(wish.first), Look::Peek, now);
    matches!(stream, Ok(Some(stream)) if is_behind(stream, after))
}

/// Whether XREADGROUP's words give entries, or an error because the group is gone.
pub fn has_news(ctx: &mut Ctx<'_>, args: &Args<'_>) -> bool {
    let Ok(wish) = wish(args, true) else { return true };
    let (group, _) = wish.group.expect("it was checked");
    let now = ctx.now;
    let Ok(Some(stream)) = ctx.keyspace().stream(&args.key(wish.first), Look::Peek, now) else {
        return true;
    };
    stream.group(group).is_none_or(|group| is_behind(stream, group.last_id))
}

/// XREADGROUP for a client that has waited: what is gone has been there.
pub fn wake_in_group(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let wish = wish(args, true)?;
    let (group, _) = wish.group.expect("it was checked");
    let now = ctx.now;
    let Ok(Some(stream)) = ctx.keyspace().stream(&args.key(wish.first), Look::Peek, now) else {
        return Err(KEY_GONE);
    };
    if stream.group(group).is_none() {
        return Err(GROUP_GONE);
    }
    xreadgroup(ctx, args)
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check, check3};
    use resp::write::Protocol;

    #[test]
    fn entries_behind_the_id_serve_who_waits_for_them() {
        check(
            "XADD x 1 a b; XREAD BLOCK 0 STREAMS y x $ $; @woken; XADD x 2 a b; XADD x 3 a b; @woken; XREAD COUNT 1 BLOCK 10 STREAMS x 4; XADD x 4 a b; @woken; XADD x 5 a b; XADD x 6 a b; @woken",
            "1-0; nil; waits; 2-0; 3-0; [[x [[2-0 [a b]] [3-0 [a b]]]]]; nil; 4-0; waits; 5-0; 6-0; [[x [[5-0 [a b]]]]]",
        );
        check3(
            "XREAD BLOCK 0 STREAMS y x $ $; XADD x 1 a b; @woken",
            "nil; 1-0; {x [[1-0 [a b]]]}",
        );
    }

    #[test]
    fn a_stream_made_anew_serves_only_with_greater_ids() {
        check(
            "XADD x 5 a b; XREAD BLOCK 0 STREAMS x $; DEL x; @woken; SET x v; @woken; DEL x; XADD x 1 a b; @woken; XADD x 6 a b; @woken",
            "5-0; nil; 1; waits; OK; waits; 1; 1-0; waits; 6-0; [[x [[6-0 [a b]]]]]",
        );
    }

    #[test]
    fn what_is_waited_for_is_told_for_each_key_once() {
        let mut world = World::new(Protocol::Resp2);
        world.script("XADD x 5 a b; XGROUP CREATE x g $; XGROUP CREATE y g $ MKSTREAM");
        let mut waits = |words: &str| {
            let words: Vec<&[u8]> = words.split(' ').map(str::as_bytes).collect();
            assert_eq!(world.run(&words), b"*-1\r\n");
            let wait = world.wait.take().expect("it waits");
            let keys: Vec<String> = wait
                .keys
                .iter()
                .map(|key| format!("{} {}", key.position, key.words.join(&b' ').escape_ascii()))
                .collect();
            (wait.timeout_us, keys.join(", "))
        };
        assert_eq!(
            waits("XREAD BLOCK 7 COUNT 2 STREAMS x none x $ 3-1 9"),
            (
                7_000,
                "6 XREAD COUNT 2 BLOCK 0 STREAMS x 5-0, 7 XREAD COUNT 2 BLOCK 0 STREAMS none 3-1"
                    .to_owned()
            )
        );
        assert_eq!(
            waits("XREADGROUP GROUP g c NOACK BLOCK 0 COUNT 3 STREAMS x y > >"),
            (
                0,
                "10 XREADGROUP GROUP g c COUNT 3 BLOCK 0 NOACK STREAMS x >, 11 XREADGROUP GROUP g c COUNT 3 BLOCK 0 NOACK STREAMS y >"
                    .to_owned()
            )
        );
        world.run(&[b"XREAD", b"STREAMS", b"x", b"$"]);
        assert_eq!(world.wait, None, "without BLOCK nobody waits");
    }

    const EMPTY: &str = "XGROUP CREATE x g $ MKSTREAM; XREADGROUP GROUP g c BLOCK 0 STREAMS x >";

    #[test]
    fn entries_serve_who_waits_in_a_group() {
        check(
            &format!("{EMPTY}; @woken; XADD x 1 a b; @woken; XPENDING x g - + 9"),
            "OK; nil; waits; 1-0; [[x [[1-0 [a b]]]]]; [[1-0 c 0 1]]",
        );
        check(
            "XGROUP CREATE x g $ MKSTREAM; XREADGROUP GROUP g c COUNT 1 BLOCK 0 NOACK STREAMS x 18446744073709551615-18446744073709551615; XADD x 1 a b; XADD x 2 a b; @woken; XPENDING x g",
            "OK; nil; 1-0; 2-0; [[x [[1-0 [a b]]]]]; [0 nil nil nil]",
        );
        check(
            "XGROUP CREATE x g $ MKSTREAM; XGROUP CREATE y g $ MKSTREAM; XREADGROUP GROUP g c BLOCK 0 STREAMS x y > 0",
            "OK; OK; [[y []]]",
        );
    }

    #[test]
    fn who_waits_in_a_group_is_told_when_it_is_gone() {
        let gone = "UNBLOCKED the stream key no longer exists";
        let no_group = "NOGROUP the consumer group this client was blocked on no longer exists";
        check(&format!("{EMPTY}; DEL x; @woken"), &format!("OK; nil; 1; {gone}"));
        check(&format!("{EMPTY}; SET x v; @woken"), &format!("OK; nil; OK; {gone}"));
        check(&format!("{EMPTY}; XGROUP DESTROY x g; @woken"), &format!("OK; nil; 1; {no_group}"));
        check(
            &format!("{EMPTY}; DEL x; XADD x 1 a b; @woken"),
            &format!("OK; nil; 1; 1-0; {no_group}"),
        );
        check(
            &format!("{EMPTY}; XGROUP CREATE x h $; XGROUP DESTROY x h; @woken"),
            "OK; nil; OK; 1; waits",
        );
    }
}

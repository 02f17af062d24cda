//! LCS: the longest common subsequence of two strings.
//!
//! The textbook table of lengths has a number a cell; but a row needs only the one before it, and
//! walking back needs only to know, in each cell, whether the better neighbour is above. So there are
//! two rows of numbers and one bit a cell: a 32nd of what Redis takes, for the same walk and so for
//! the same answer among equals. Inputs whose full table would exceed `proto-max-bulk-len` are refused
//! as Redis refuses them, which bounds the time too.

use crate::spec::{Arg, Arity, Command, Fanout, Flags, Group, KeySpec, Spec};
use crate::{Args, Ctx, Failure};
use store::{Look, Str};

/// Finds the longest common subsequence.
pub const LCS: Command = Command::new(
    Spec {
        name: "LCS",
        arity: Arity::at_least(3),
        keys: &[KeySpec::range(1, 1, 1, &["RO", "access"])],
        flags: Flags::READONLY,
        fanout: Fanout::Loan,
        group: Group::String,
        since: "7.0.0",
        complexity: "O(N*M) where N and M are the lengths of s1 and s2, respectively",
        summary: "Finds the longest common substring.",
        args: &[
            Arg::key("key1", 0),
            Arg::key("key2", 0),
            Arg::word("len", "LEN").optional(),
            Arg::word("idx", "IDX").optional(),
            Arg::integer("len").token("MINMATCHLEN").optional(),
            Arg::word("withmatchlen", "WITHMATCHLEN").optional(),
        ],
        ..Spec::NEW
    },
    lcs,
);

/// Bytes of a cell in Redis' table, by which inputs are refused.
const CELL_BYTES: u128 = 4;

#[derive(Default)]
struct Options {
    len: bool,
    idx: bool,
    with_match_len: bool,
    min_match_len: usize,
}

impl Options {
    fn parse(args: &Args<'_>) -> Result<Options, Failure> {
        let mut options = Options::default();
        let mut position = 3;
        while position < args.len() {
            if args.is(position, "LEN") {
                options.len = true;
            } else if args.is(position, "IDX") {
                options.idx = true;
            } else if args.is(position, "WITHMATCHLEN") {
                options.with_match_len = true;
            } else if args.is(position, "MINMATCHLEN") && position + 1 < args.len() {
                position += 1;
                let len = args.integer(position).ok_or(Failure::NOT_INTEGER)?;
                options.min_match_len = usize::try_from(len).unwrap_or(0);
            } else {
                return Err(Failure::SYNTAX);
            }
            position += 1;
        }
        if options.len && options.idx {
            return Err(Failure::new(
                "ERR If you want both the length and indexes, please just use IDX.",
            ));
        }
        Ok(options)
    }
}

fn lcs(ctx: &mut Ctx<'_>, args: &Args<'_>) -> Result<(), Failure> {
    let (a, b) = (operand(ctx, args, 1)?, operand(ctx, args, 2)?);
    let options = Options::parse(args)?;
    let table_bytes = (a.len() as u128 + 1) * (b.len() as u128 + 1) * CELL_BYTES;
    if table_bytes > ctx.settings.size(base::settings::PROTO_MAX_BULK_LEN) as u128 {
        return Err(Failure::new(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let table = Table::build(&a, &b).ok_or(Failure::new(
        "ERR Insufficient memory, failed allocating transient memory for LCS",
    ))?;
    if options.len {
        ctx.reply.integer(table.len as i64);
    } else if options.idx {
        reply_matches(ctx, &table.runs(&a, &b), table.len, &options);
    } else {
        let runs = table.runs(&a, &b);
        let parts = runs.iter().rev().map(|run| &a[run.a..run.a + run.len]);
        ctx.reply.bulk_parts(table.len, parts);
    }
    Ok(())
}

/// A copy of one of the strings: they are two, and the store lends one at a time.
fn operand(ctx: &mut Ctx<'_>, args: &Args<'_>, position: usize) -> Result<Vec<u8>, Failure> {
    let (key, now) = (args.key(position), ctx.now);
    match ctx.keyspace().string_as(&key, Look::Read, now) {
        Ok(value) => Ok(value.as_ref().map(Str::to_vec).unwrap_or_default()),
        Err(_) => Err(Failure::new("ERR The specified keys must contain string values")),
    }
}

fn reply_matches(ctx: &mut Ctx<'_>, runs: &[Run], len: usize, options: &Options) {
    let reply = &mut ctx.reply;
    let shown = || runs.iter().filter(|run| run.len >= options.min_match_len);
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(shown().count());
    for run in shown() {
        reply.array(if options.with_match_len { 3 } else { 2 });
        for start in [run.a, run.b] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + run.len - 1) as i64);
        }
        if options.with_match_len {
            reply.integer(run.len as i64);
        }
    }
    reply.bulk(b"len");
    reply.integer(len as i64);
}

/// Bytes that are common and consecutive in both strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    /// Where it begins in the first string.
    a: usize,
    /// Where it begins in the second.
    b: usize,
    len: usize,
}

/// What is kept of the table of lengths.
struct Table {
    /// The length of the whole subsequence.
    len: usize,
    /// For each cell whether the one above has the greater length; row by row.
    above: Vec<u64>,
}

impl Table {
    /// O(a × b) time, a bit a cell of memory; `None` when there is not that much, which a large
    /// `proto-max-bulk-len` can bring about.
    fn build(a: &[u8], b: &[u8]) -> Option<Table> {
        let words = a.len().checked_mul(b.len())?.div_ceil(64);
        let mut above: Vec<u64> = Vec::new();
        above.try_reserve_exact(words).ok()?;
        above.resize(words, 0);
        let mut before = vec![0u32; b.len() + 1];
        let mut row = before.clone();
        let mut cell = 0;
        for byte in a {
            for (column, other) in b.iter().enumerate() {
                row[column + 1] = if byte == other {
                    before[column] + 1
                } else {
                    let better = before[column + 1] > row[column];
                    above[cell / 64] |= u64::from(better) << (cell % 64);
                    before[column + 1].max(row[column])
                };
                cell += 1;
            }
            std::mem::swap(&mut before, &mut row);
        }
        Some(Table { len: before[b.len()] as usize, above })
    }

    /// The runs of the subsequence, last one first: from the end, along equal bytes, else upwards
    /// where that is better, else to the left. O(a + b).
    fn runs(&self, a: &[u8], b: &[u8]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let (mut i, mut j) = (a.len(), b.len());
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                (i, j) = (i - 1, j - 1);
                match runs.last_mut() {
                    Some(run) if run.a == i + 1 && run.b == j + 1 => {
                        *run = Run { a: i, b: j, len: run.len + 1 };
                    }
                    _ => runs.push(Run { a: i, b: j, len: 1 }),
                }
                continue;
            }
            let cell = (i - 1) * b.len() + j - 1;
            if self.above[cell / 64] >> (cell % 64) & 1 == 1 { i -= 1 } else { j -= 1 }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{World, check, check3};
    use resp::write::Protocol;

    const TEXTS: &str = "MSET a ohmytext b mynewtext; ";

    fn check_lcs(command: &str, reply: &str) {
        check(&format!("{TEXTS}{command}"), &format!("OK; {reply}"));
    }

    #[test]
    fn lcs_gives_the_text_the_length_or_the_places() {
        check_lcs("LCS a b", "mytext");
        check_lcs("LCS a b LEN", "6");
        check_lcs("LCS a b IDX", "[matches [[[4 7] [5 8]] [[2 3] [0 1]]] len 6]");
        check_lcs("LCS a b idx withmatchlen", "[matches [[[4 7] [5 8] 4] [[2 3] [0 1] 2]] len 6]");
        check_lcs("LCS a b IDX MINMATCHLEN 4", "[matches [[[4 7] [5 8]]] len 6]");
        check_lcs("LCS a b IDX MINMATCHLEN -5", "[matches [[[4 7] [5 8]] [[2 3] [0 1]]] len 6]");
        check_lcs("LCS a a IDX", "[matches [[[0 7] [0 7]]] len 8]");
        check3(&format!("{TEXTS}LCS a b IDX"), "OK; {matches [[[4 7] [5 8]] [[2 3] [0 1]]] len 6}");
    }

    #[test]
    fn absent_keys_are_empty() {
        check("LCS a b; LCS a b LEN; LCS a b IDX", "\"\"; 0; [matches [] len 0]");
        check("SET a x; LCS a b", "OK; \"\"");
    }

    #[test]
    fn integers_compare_by_their_text() {
        check("MSET a 12345 b 1305; LCS a b", "OK; 135");
    }

    #[test]
    fn options_that_make_no_sense_are_refused() {
        check(
            "LCS a b FOO; LCS a b MINMATCHLEN; LCS a b LEN IDX FOO",
            "ERR syntax error; ERR syntax error; ERR syntax error",
        );
        check(
            "LCS a b LEN IDX; LCS a b MINMATCHLEN x",
            "ERR If you want both the length and indexes, please just use IDX.; ERR value is not an integer or out of range",
        );
    }

    #[test]
    fn inputs_with_too_large_a_table_are_refused() {
        let mut world = World::new(Protocol::Resp2);
        world.configure("proto-max-bulk-len", "1mb");
        world.run(&[b"SET", b"a", &[b'x'; 511]]);
        world.run(&[b"SET", b"b", &[b'x'; 511]]);
        world.run(&[b"SET", b"c", &[b'x'; 512]]);
        assert_eq!(world.run(&[b"LCS", b"a", b"b", b"LEN"]), b":511\r\n");
        let refused =
            b"-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n";
        assert_eq!(world.run(&[b"LCS", b"a", b"c", b"LEN"]), refused);
    }
}

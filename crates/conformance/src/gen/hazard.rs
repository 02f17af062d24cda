//! What must not be sent although a server would take it: the answer would depend on the clock or on the machine.
//! Each rule says why. It looks at finished commands, so that no mutation slips by.

/// A relative TTL under this could pass while a script runs on a slow machine.
const TTL_MS_LEAST: i128 = 60_000;
/// A longer value must not come onto the keys that LCS and KEYS work with (LCS needs the product of both lengths).
const OFFSET_MAX: i128 = 2_000;
/// Drawn moments are far from this on both sides.
const PAST_SECONDS: i128 = 3_000_000_000;
/// No command of a script takes so long.
const SPIKE_MS_LEAST: i128 = 60_000;
/// Redis' own limit of a string; beyond it there is only an error.
const STRING_MAX: i128 = 512 << 20;

/// Draws with repetition that scripts ask for at the most.
const DRAWS_MAX: i64 = 1000;

/// Whether `args` must be dropped from a script.
pub fn is_hazardous(args: &[Vec<u8>]) -> bool {
    let name = args[0].to_ascii_uppercase();
    match name.as_slice() {
        // A short TTL races with the comparison; `Action::Lapse` is how keys expire on purpose.
        b"SET" | b"GETEX" => args.windows(2).any(|pair| {
            too_soon(&pair[0], b"EX", &pair[1], 1000) || too_soon(&pair[0], b"PX", &pair[1], 1)
        }),
        b"SETEX" | b"EXPIRE" => args.get(2).is_some_and(|ttl| soon(ttl, 1000)),
        b"PSETEX" | b"PEXPIRE" => args.get(2).is_some_and(|ttl| soon(ttl, 1)),
        // A SETRANGE just below 512 MB is honest work for a server but not for a comparison of a million commands.
        b"SETRANGE" => {
            let offset = args.get(2).and_then(|offset| number(offset)).unwrap_or(0);
            let most = if args.get(1).is_some_and(|key| key.starts_with(b"big:")) {
                1 << 20
            } else {
                OFFSET_MAX
            };
            offset > most && offset < STRING_MAX
        }
        // The same in bits. In BITFIELD an offset may stand at many places, so any number is taken for one, and as a
        // count of fields for as many bits as the widest has.
        b"SETBIT" | b"BITFIELD" => {
            let only_bits =
                args.get(1).is_some_and(|key| key.starts_with(b"big:") || key.starts_with(b"bit:"));
            let most = if only_bits { 8 << 20 } else { 8 * OFFSET_MAX };
            let bits = |arg: &Vec<u8>| match arg.strip_prefix(b"#") {
                Some(fields) => number(fields).map(|fields| fields * 64),
                None => number(arg),
            };
            args.iter().skip(2).filter_map(bits).any(|bits| bits > most && bits < 8 * STRING_MAX)
        }
        // Ten million elements take Redis a minute.
        b"PFSELFTEST" => true,
        // The ID is asked of each side's clock.
        b"XADD" => args.iter().skip(2).any(|arg| arg == b"*"),
        // Waits for an entry that nobody adds.
        b"XREAD" | b"XREADGROUP" => args.iter().any(|arg| arg.eq_ignore_ascii_case(b"BLOCK")),
        // LCS allocates the product of two lengths.
        b"LCS" => args.iter().skip(1).take(2).any(|key| key.starts_with(b"big:")),
        // So many draws with repetition fill the memory of a Redis.
        b"HRANDFIELD" | b"SRANDMEMBER" | b"ZRANDMEMBER" => args.get(2).is_some_and(|count| {
            let count = std::str::from_utf8(count).ok().and_then(|text| text.parse::<i64>().ok());
            count.is_some_and(|count| count < -DRAWS_MAX)
        }),
        // Waits for replicas that never come until a timer looks.
        b"WAIT" => args.get(1).and_then(|count| number(count)).is_some_and(|count| count > 0),
        // Whether a command takes a millisecond is the machine's doing.
        b"CONFIG" => args.windows(2).any(|pair| {
            pair[0].eq_ignore_ascii_case(b"latency-monitor-threshold")
                && number(&pair[1]).is_some_and(|ms| (1..SPIKE_MS_LEAST).contains(&ms))
        }),
        // The whole table is hundreds of kilobytes; `command-table` compares it once and better.
        b"COMMAND" => {
            args.len() == 1
                || (args.len() == 2
                    && (args[1].eq_ignore_ascii_case(b"INFO")
                        || args[1].eq_ignore_ascii_case(b"DOCS")))
        }
        // These end or stop the server, or write its files, in both.
        b"SHUTDOWN" | b"SAVE" | b"BGSAVE" | b"BGREWRITEAOF" | b"MONITOR" | b"SYNC" | b"PSYNC"
        | b"REPLICAOF" | b"SLAVEOF" => true,
        _ => false,
    }
}

/// A SET with a moment that is past stores a key that is gone, and DBSIZE counts it until somebody looks or a timer
/// comes by. The request that looks must follow it, so that no timer decides.
pub fn expires_at_once(args: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let past = |pair: &[Vec<u8>]| {
        let unit = if pair[0].eq_ignore_ascii_case(b"EXAT") { 1 } else { 1000 };
        let dated = pair[0].eq_ignore_ascii_case(b"EXAT") || pair[0].eq_ignore_ascii_case(b"PXAT");
        dated && number(&pair[1]).is_some_and(|at| at > 0 && at < PAST_SECONDS * unit)
    };
    (args[0].eq_ignore_ascii_case(b"SET") && args.windows(2).any(past))
        .then(|| vec![b"EXISTS".to_vec(), args[1].clone()])
}

fn too_soon(word: &[u8], option: &[u8], ttl: &[u8], unit_ms: i128) -> bool {
    word.eq_ignore_ascii_case(option) && soon(ttl, unit_ms)
}

fn soon(ttl: &[u8], unit_ms: i128) -> bool {
    number(ttl).is_some_and(|ttl| ttl > 0 && ttl * unit_ms < TTL_MS_LEAST)
}

/// Generous on purpose: what any server might take as a number is one.
fn number(text: &[u8]) -> Option<i128> {
    let text =
        std::str::from_utf8(text).ok()?.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    match text.parse::<i64>() {
        Ok(n) => Some(i128::from(n)),
        Err(_) => text.parse::<f64>().ok().filter(|n| n.abs() < 1e18).map(|n| n as i128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hazardous(line: &str) -> bool {
        let args: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        is_hazardous(&args)
    }

    #[test]
    fn short_ttls_and_giant_strings_are_kept_out() {
        for line in [
            "SET k v EX 5",
            "set k v px 500",
            "EXPIRE k 1",
            "PSETEX k 1 v",
            "SETRANGE k 500000000 x",
            "LCS big:0 k",
            "SETBIT k 4294967295 1",
            "BITFIELD k GET u8 0 SET u8 #1000000 1",
            "shutdown",
            "CONFIG SET hz 10 Latency-Monitor-Threshold 1",
        ] {
            assert!(hazardous(line), "{line}");
        }
    }

    #[test]
    fn edges_that_answer_at_once_stay() {
        for line in [
            "SET k v EX 0",
            "SET k v EX -1",
            "SET k v EX 100",
            "EXPIRE k -5",
            "SETRANGE k 536870912 x",
            "SETRANGE big:0 99999 x",
            "SETBIT big:0 800000 1",
            "SETBIT k 4294967296 1",
            "BITFIELD k SET u8 #20 9223372036854775807",
            "LCS k j",
            "CONFIG SET latency-monitor-threshold 0",
            "CONFIG GET latency-monitor-threshold",
        ] {
            assert!(!hazardous(line), "{line}");
        }
    }
}

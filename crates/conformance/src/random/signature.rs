//! What tells one kind of difference from another: the command and the form of both replies, without what they quote.

use crate::wire::printable;

/// Equal for differences of one cause, mostly: the command and the form of both replies.
pub fn signature(args: &[Vec<u8>], expected: &str, got: &str) -> String {
    let (expected, got) = (abstracted(expected), abstracted(got));
    // What an unknown command was called does not matter.
    if expected.starts_with("-ERR unknown command") && got.starts_with("-ERR unknown command") {
        return "(unknown commands)".to_owned();
    }
    if got.starts_with("-ERR unknown command") {
        return format!("{MISSING}{}", word(args, 0));
    }
    // What an unknown sub-command was called does not matter either.
    let unknown_both = expected.starts_with("-ERR unknown subcommand")
        && got.starts_with("-ERR unknown subcommand");
    let name = if unknown_both { "(unknown sub-commands)".to_owned() } else { command_name(args) };
    format!("{name}: {expected} / {got}")
}

/// How the signature of a command starts that the subject does not have.
pub const MISSING: &str = "(missing) ";

/// Commands whose second word names a sub-command.
const CONTAINERS: &[&str] = &[
    "OBJECT", "CLIENT", "CONFIG", "COMMAND", "SLOWLOG", "LATENCY", "MEMORY", "DEBUG", "ACL",
    "CLUSTER", "MODULE",
];

/// The command's name with its sub-command, in capitals.
pub fn command_name(args: &[Vec<u8>]) -> String {
    let (name, sub) = (word(args, 0), word(args, 1));
    let is_word = !sub.is_empty() && sub.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
    match CONTAINERS.contains(&name.as_str()) && is_word {
        true => format!("{name} {sub}"),
        false => name,
    }
}

fn word(args: &[Vec<u8>], i: usize) -> String {
    args.get(i).map(|arg| printable(&arg.to_ascii_uppercase())).unwrap_or_default()
}

/// The words of an error without what it quotes, or just the type of another reply.
pub fn abstracted(shown: &str) -> String {
    if !shown.starts_with('-') && !shown.starts_with('(') {
        return shown.chars().take(1).collect();
    }
    let unquoted: Vec<&str> = shown.split('\'').step_by(2).collect();
    unquoted.join("''").chars().take(80).map(|c| if c.is_ascii_digit() { '#' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_do_not_tell_differences_apart() {
        let sign = |name: &str, oracle: &str, subject: &str| {
            signature(&[name.as_bytes().to_vec()], oracle, subject)
        };
        assert_eq!(
            sign("GET", "-ERR bad 'a'", "-ERR worse 'b'"),
            sign("get", "-ERR bad 'x'", "-ERR worse 'y'")
        );
        assert_ne!(sign("GET", "-ERR bad 'a'", ":1"), sign("GET", "-ERR bad 'a'", "$-1"));
        assert_eq!(
            sign("a", "-ERR unknown command 'a'", "-ERR unknown command 'b'"),
            "(unknown commands)"
        );
    }
}

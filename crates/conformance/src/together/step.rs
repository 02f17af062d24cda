//! What a script of several clients is made of, and how it reads in a report.

use std::time::Duration;

use crate::random::script::{line, words};

/// A request, word by word.
pub type Request = Vec<Vec<u8>>;

/// One step. After each of them everything that can be answered is collected and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Requests of one client in one write.
    Send { client: usize, requests: Vec<Request> },
    /// The client closes its connection, whatever it waits for.
    Vanish { client: usize },
    /// Time passes: a key expires, a blocked client gives up.
    Wait(Duration),
}

impl Step {
    /// How many requests it counts as.
    pub fn requests(&self) -> usize {
        match self {
            Step::Send { requests, .. } => requests.len(),
            Step::Vanish { .. } | Step::Wait(_) => 1,
        }
    }

    /// The step as lines of a report.
    pub fn show(&self) -> String {
        match self {
            Step::Send { client, requests } => {
                let shown: Vec<String> = requests.iter().map(|request| line(request)).collect();
                format!("[{client}] {}", shown.join(" ; "))
            }
            Step::Vanish { client } => format!("[{client}] {GOES}"),
            Step::Wait(time) => format!("    (wait {} ms)", time.as_millis()),
        }
    }
}

/// What [`Step::show`] says of a client that goes.
const GOES: &str = "(closes its connection)";

/// Reads steps as reports show them, one a line, for scripts written by hand.
pub fn parse(text: &str) -> Result<Vec<Step>, String> {
    let lines =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(parse_line).collect()
}

fn parse_line(text: &str) -> Result<Step, String> {
    if let Some(rest) = text.strip_prefix("(wait ") {
        let ms = rest.split(' ').next().and_then(|ms| ms.parse().ok());
        return Ok(Step::Wait(Duration::from_millis(ms.ok_or(format!("how long is {text}?"))?)));
    }
    let split = text.strip_prefix('[').and_then(|rest| rest.split_once("] "));
    let (client, rest) = split.ok_or(format!("a line begins with [CLIENT] or (wait: {text}"))?;
    let client = client.parse().ok().filter(|client| *client < super::play::CLIENTS);
    let client = client.ok_or(format!("no such client: {text}"))?;
    if rest == GOES {
        return Ok(Step::Vanish { client });
    }
    let requests: Result<Vec<Request>, String> = rest.split(" ; ").map(words).collect();
    Ok(Step::Send { client, requests: requests? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_read_back_as_they_are_shown() {
        let words = |text: &str| text.split(' ').map(|word| word.as_bytes().to_vec()).collect();
        let steps = vec![
            Step::Send {
                client: 1,
                requests: vec![words("BLPOP k 0"), vec![b"SET a\r\n".to_vec()]],
            },
            Step::Vanish { client: 1 },
            Step::Wait(Duration::from_millis(40)),
        ];
        let shown: Vec<String> = steps.iter().map(Step::show).collect();
        assert_eq!(parse(&shown.join("\n")), Ok(steps));
        assert!(parse("[9] PING").is_err() && parse("PING").is_err());
    }
}

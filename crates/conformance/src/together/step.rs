//! What a script of several clients is made of, and how it reads in a report.

use std::time::Duration;

use crate::random::script::line;

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
            Step::Vanish { client } => format!("[{client}] (closes its connection)"),
            Step::Wait(time) => format!("    (wait {} ms)", time.as_millis()),
        }
    }
}

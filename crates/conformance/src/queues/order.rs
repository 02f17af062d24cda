//! One client for each key: every value comes, once, and in the order in which it was pushed.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fastrand::Rng;

use super::poll::{heard, say, turn};
use super::{Plant, idle_share};
use crate::cli::QueuesArgs;
use crate::peer::{Link, Server};
use crate::wire::Value;

/// Connections that push; each has its own keys, so that the order of each key is known.
const PUSHERS: usize = 4;
/// Between two batches of pushes.
const TICK: Duration = Duration::from_millis(1);
/// What was pushed has arrived after this.
const ARRIVAL: Duration = Duration::from_secs(10);
/// A waiting client costs nothing: all of them together less than this share of a core more than none.
const IDLE_MOST: f64 = 0.05;

struct Queue {
    waiting: Link,
    pushed: u64,
    popped: u64,
}

struct Field<'a> {
    queues: Vec<Queue>,
    pushers: Vec<Link>,
    thief: Link,
    random: Rng,
    plant: Plant,
    args: &'a QueuesArgs,
    complaints: Vec<String>,
    sent: u64,
}

/// Runs this part; gives what was wrong.
pub fn run(server: &Server, args: &QueuesArgs, plant: Plant) -> Result<Vec<String>> {
    let idle = Duration::from_secs(args.idle_seconds);
    let alone = idle_share(server, idle);
    let mut field = Field::new(server, args, plant)?;
    field.check_blocked(server)?;
    let begun = Instant::now();
    let until = begun + Duration::from_secs(args.seconds);
    while Instant::now() < until {
        field.push(begun.elapsed());
        field.pop();
    }
    let seconds = begun.elapsed().as_secs_f64();
    let arrived = Instant::now();
    while field.missing() > 0 && arrived.elapsed() < ARRIVAL {
        field.pop();
    }
    println!(
        "{} clients on as many keys: {} pushes in {seconds:.1} s, {:.0}/s, {} not arrived",
        field.queues.len(),
        field.sent,
        field.sent as f64 / seconds,
        field.missing()
    );
    for number in 0..field.queues.len() {
        let Queue { pushed, popped, .. } = field.queues[number];
        if pushed != popped {
            field.complaints.push(format!("queue:{number}: {pushed} pushed, {popped} popped"));
        }
    }
    field.check_blocked(server)?;
    if let (Some(alone), Some(waiting)) = (alone, idle_share(server, idle)) {
        println!(
            "CPU of the server while nothing happens: {:.2} % of a core without clients, {:.2} % with {} that wait",
            100.0 * alone,
            100.0 * waiting,
            field.queues.len()
        );
        if waiting > alone + IDLE_MOST {
            field
                .complaints
                .push(format!("waiting clients cost {:.1} % of a core", 100.0 * waiting));
        }
    }
    Ok(field.complaints)
}

impl Field<'_> {
    fn new<'a>(server: &Server, args: &'a QueuesArgs, plant: Plant) -> Result<Field<'a>> {
        let mut queues = Vec::new();
        for number in 0..args.clients {
            let mut waiting = Link::connect(server.addr())?;
            say(&mut waiting, &["BLPOP", &format!("queue:{number}"), "0"]);
            queues.push(Queue { waiting, pushed: 0, popped: 0 });
        }
        let pushers: Result<Vec<Link>, _> =
            (0..PUSHERS).map(|_| Link::connect(server.addr())).collect();
        Ok(Field {
            queues,
            pushers: pushers?,
            thief: Link::connect(server.addr())?,
            random: Rng::with_seed(args.seed),
            plant,
            args,
            complaints: Vec::new(),
            sent: 0,
        })
    }

    /// As many clients as there are keys must be blocked, by the server's own count.
    fn check_blocked(&mut self, server: &Server) -> Result<()> {
        let begun = Instant::now();
        let wanted = self.queues.len() as u64;
        loop {
            let blocked = crate::clients::info_field(server.addr(), "clients", "blocked_clients")?;
            // What a thief waits for counts as well.
            if blocked == wanted || blocked == wanted + 1 && self.plant == Plant::Thief {
                return Ok(());
            }
            if self.missing() > 0 {
                return Ok(());
            }
            ensure!(begun.elapsed() < ARRIVAL, "{blocked} of {wanted} clients are blocked");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn missing(&self) -> u64 {
        self.queues.iter().map(|queue| queue.pushed.saturating_sub(queue.popped)).sum()
    }

    /// Pushes what is due by now.
    fn push(&mut self, elapsed: Duration) {
        let due = (elapsed.as_secs_f64() * self.args.rate as f64) as u64;
        while self.sent < due {
            let number = self.random.usize(..self.queues.len());
            let pusher = &mut self.pushers[number % PUSHERS];
            let (queue, key) = (&mut self.queues[number], format!("queue:{number}"));
            let spoils = self.sent % 1000 == 999;
            if spoils && self.plant == Plant::Order {
                let [first, second] = [queue.pushed + 1, queue.pushed].map(|n| n.to_string());
                say(pusher, &["RPUSH", &key, &first, &second]);
                queue.pushed += 2;
                self.sent += 2;
                continue;
            }
            say(pusher, &["RPUSH", &key, &queue.pushed.to_string()]);
            if spoils && self.plant == Plant::Twice {
                say(pusher, &["RPUSH", &key, &queue.pushed.to_string()]);
            }
            if spoils && self.plant == Plant::Thief {
                say(&mut self.thief, &["BLPOP", &key, "1"]);
            }
            queue.pushed += 1;
            self.sent += 1;
        }
    }

    /// Takes what has come and waits again.
    fn pop(&mut self) {
        let waiting = self.queues.iter_mut().map(|queue| &mut queue.waiting);
        let mut links: Vec<&mut Link> = waiting.chain(&mut self.pushers).collect();
        links.push(&mut self.thief);
        turn(&mut links, TICK);
        for pusher in &mut self.pushers {
            let failed = heard(pusher).into_iter().find_map(|value| value.error());
            self.complaints.extend(failed.map(|error| format!("a push failed: {error}")));
        }
        heard(&mut self.thief);
        for (number, queue) in self.queues.iter_mut().enumerate() {
            if queue.waiting.is_closed() && self.complaints.len() < 100 {
                self.complaints.push(format!("the client of queue:{number} was disconnected"));
            }
            for value in heard(&mut queue.waiting) {
                let key = format!("queue:{number}");
                let wanted = [key.clone(), queue.popped.to_string()];
                if texts(&value).is_none_or(|got| got != wanted) {
                    self.complaints.push(format!(
                        "{key}: value {} was due, and {} came",
                        queue.popped,
                        value.show()
                    ));
                }
                queue.popped += 1;
                say(&mut queue.waiting, &["BLPOP", &key, "0"]);
            }
        }
    }
}

/// The two texts that BLPOP gives.
fn texts(value: &Value) -> Option<[String; 2]> {
    match value.items()? {
        [key, popped] => Some([key.string()?, popped.string()?]),
        _ => None,
    }
}

//! Makes a failing script short: first fewer actions (delta debugging), then fewer and simpler arguments.
//!
//! A candidate counts when it still fails with the same signature, so that shrinking does not wander to another bug.

use super::script::Action;

/// Replays that one shrinking may cost; what is reached then is reported.
const REPLAYS_MAX: usize = 600;

/// Shrinks `script`, of which `fails` says whether a candidate still shows the same difference.
pub fn shrink(script: Vec<Action>, mut fails: impl FnMut(&[Action]) -> bool) -> Vec<Action> {
    let mut left = REPLAYS_MAX;
    let mut attempt = |candidate: &[Action]| {
        if left == 0 {
            return false;
        }
        left -= 1;
        fails(candidate)
    };
    let mut script = fewer(script, &mut attempt);
    for i in 0..script.len() {
        simpler_action(&mut script, i, &mut attempt);
    }
    // Simpler arguments often make further actions needless.
    fewer(script, &mut attempt)
}

/// Drops what a list does not need to fail, by halves, quarters and so on down to single elements.
pub fn fewer<T: Clone>(mut script: Vec<T>, fails: &mut impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut piece = script.len().div_ceil(2).max(1);
    loop {
        let mut from = 0;
        let mut removed = false;
        while from < script.len() && script.len() > 1 {
            let to = (from + piece).min(script.len());
            let candidate: Vec<T> = script[..from].iter().chain(&script[to..]).cloned().collect();
            if !candidate.is_empty() && fails(&candidate) {
                script = candidate;
                removed = true;
            } else {
                from = to;
            }
        }
        if piece == 1 && !removed {
            return script;
        }
        piece = if removed { piece } else { piece.div_ceil(2) };
        if piece > script.len() {
            piece = script.len().max(1);
        }
    }
}

fn simpler_action(script: &mut [Action], i: usize, fails: &mut impl FnMut(&[Action]) -> bool) {
    for _ in 0..64 {
        let simpler = candidates(&script[i]).into_iter().find(|simpler| {
            let mut candidate = script.to_vec();
            candidate[i] = simpler.clone();
            fails(&candidate)
        });
        match simpler {
            Some(simpler) => script[i] = simpler,
            None => return,
        }
    }
}

/// Simpler forms of an action, the boldest first.
fn candidates(action: &Action) -> Vec<Action> {
    match action {
        Action::Command { conn, args } => {
            let mut forms = Vec::new();
            if *conn != 0 {
                forms.push(Action::Command { conn: 0, args: args.clone() });
            }
            forms.extend(
                simpler_lists(args, 1)
                    .into_iter()
                    .map(|args| Action::Command { conn: *conn, args }),
            );
            forms
        }
        Action::Raw { pieces } => {
            let mut forms: Vec<_> =
                simpler_lists(pieces, 0).into_iter().map(|pieces| Action::Raw { pieces }).collect();
            if pieces.len() > 1 {
                forms.push(Action::Raw { pieces: vec![pieces.concat()] });
            }
            forms
        }
        Action::Scan { conn, options } if options.len() >= 2 => {
            vec![
                Action::Scan { conn: *conn, options: options[2..].to_vec() },
                Action::Scan { conn: *conn, options: options[..options.len() - 2].to_vec() },
            ]
        }
        _ => Vec::new(),
    }
}

/// A list with an element less, or with one element shorter; the first `fixed` elements stay.
fn simpler_lists(list: &[Vec<u8>], fixed: usize) -> Vec<Vec<Vec<u8>>> {
    let mut forms = Vec::new();
    for i in (fixed..list.len()).rev() {
        let mut shorter = list.to_vec();
        shorter.remove(i);
        forms.push(shorter);
    }
    for i in fixed..list.len() {
        for simpler in simpler_words(&list[i]) {
            let mut form = list.to_vec();
            form[i] = simpler;
            forms.push(form);
        }
    }
    forms
}

fn simpler_words(word: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = Vec::new();
    // A key of the pool becomes the shortest one; equal keys stay equal only by luck, which the replay decides.
    if word.starts_with(b"missing:") || word.len() > 8 {
        forms.push(b"k:1".to_vec());
    }
    if word.len() > 1 {
        forms.push(word[..word.len() / 2].to_vec());
        forms.push(word[word.len() / 2..].to_vec());
        forms.push(word[..word.len() - 1].to_vec());
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &str) -> Action {
        Action::Command { conn: 0, args: words.split(' ').map(|w| w.as_bytes().to_vec()).collect() }
    }

    #[test]
    fn only_the_guilty_requests_remain() {
        let script: Vec<Action> = (0..400)
            .map(|i| match i {
                37 => command("SET k value"),
                311 => command("STRLEN k"),
                _ => command("PING"),
            })
            .collect();
        let guilty = |script: &[Action]| {
            let set = script
                .iter()
                .position(|a| matches!(a, Action::Command { args, .. } if args[0] == b"SET"));
            let read = script
                .iter()
                .position(|a| matches!(a, Action::Command { args, .. } if args[0] == b"STRLEN"));
            matches!((set, read), (Some(set), Some(read)) if set < read)
        };
        let short = shrink(script, guilty);
        assert_eq!(short.len(), 2);
        assert!(matches!(&short[0], Action::Command { args, .. } if args.len() == 1), "{short:?}");
    }

    #[test]
    fn a_script_that_cannot_be_shortened_stays() {
        let script = vec![command("A"), command("B")];
        assert_eq!(shrink(script.clone(), |s| s.len() == 2), script);
    }

    #[test]
    fn shrinking_ends_when_everything_fails() {
        let script: Vec<Action> = (0..100).map(|_| command("PING a b c")).collect();
        assert_eq!(shrink(script, |_| true).len(), 1);
    }
}

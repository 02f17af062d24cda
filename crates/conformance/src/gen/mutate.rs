//! Breaks a good command in the ways clients do: arguments missing, doubled, swapped, out of range, in the wrong place.

use super::draw::{Draw, FLOAT_EDGES, INTEGER_EDGES, Kind};

/// How many of a hundred commands are broken.
const PERCENT: u8 = 14;

/// Names that no server knows; some are long or odd because the error echoes them.
const UNKNOWN: &[&[u8]] = &[
    b"nosuchcommand",
    b"",
    b"get ",
    b" get",
    b"GETT",
    b"se\0t",
    b"\xff\xfe",
    b"set\r\n",
    b"foo|bar",
    b"get|x",
];

/// Maybe changes `args` in one way. Never touches the name of a command except to one that is unknown.
pub fn mutate(draw: &mut Draw, args: &mut Vec<Vec<u8>>) {
    if !draw.chance(PERCENT) || args.is_empty() {
        return;
    }
    let any = |draw: &mut Draw, args: &[Vec<u8>]| {
        if args.len() > 1 { Some(1 + draw.below(args.len() - 1)) } else { None }
    };
    match draw.below(10) {
        0 if args.len() > 1 => {
            args.pop();
        }
        1 => {
            if let Some(i) = any(draw, args) {
                args.remove(i);
            }
        }
        2 => args.push(draw.arg(Kind::Junk)),
        3 => {
            let i = 1 + draw.below(args.len());
            let junk = draw.arg(Kind::Junk);
            args.insert(i, junk);
        }
        4 | 5 => {
            if let Some(i) = any(draw, args) {
                args[i] = edge(draw);
            }
        }
        6 => {
            if let Some(i) = any(draw, args) {
                args.insert(i, args[i].clone());
            }
        }
        7 => {
            if let (Some(i), Some(j)) = (any(draw, args), any(draw, args)) {
                args.swap(i, j);
            }
        }
        8 if draw.chance(20) => args[0] = draw.pick(UNKNOWN).to_vec(),
        _ => args.truncate(1 + draw.below(args.len())),
    }
}

fn edge(draw: &mut Draw) -> Vec<u8> {
    match draw.below(5) {
        0 => draw.pick(FLOAT_EDGES).as_bytes().to_vec(),
        1 => draw.arg(Kind::Junk),
        2 => draw.key(),
        _ => draw.pick(INTEGER_EDGES).as_bytes().to_vec(),
    }
}

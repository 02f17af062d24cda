//! What clients RESTORE: short lists in the oldest encoding, which says what is in it.

/// The version of such payloads.
const VERSION: u16 = 10;

/// The byte of a list of strings.
const LIST: u8 = 1;

/// A payload of a list.
pub fn list(elements: &[&str]) -> Vec<u8> {
    let mut payload = vec![LIST, elements.len() as u8];
    for element in elements {
        payload.push(element.len() as u8);
        payload.extend_from_slice(element.as_bytes());
    }
    rdb::seal(&mut payload, VERSION);
    payload
}

/// The elements of such a payload.
pub fn elements(payload: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &payload[2..];
    let mut next = || {
        let (len, more) = rest.split_first()?;
        let (element, more) = more.split_at(usize::from(*len));
        rest = more;
        Some(element.to_vec())
    };
    (0..payload[1]).map_while(|_| next()).collect()
}

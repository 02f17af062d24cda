//! Requests to bytes, and bytes to something a person can read and type again.

/// A request as an array of bulk strings, appended to `out`.
pub fn encode(args: &[Vec<u8>], out: &mut Vec<u8>) {
    out.extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
    for arg in args {
        out.extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

/// Longer arguments are shortened in reports; the length says what was cut.
const PRINTED_BYTES_MAX: usize = 240;

/// `bytes` as redis-cli would take it: bare when it is a plain word, else quoted with escapes.
pub fn printable(bytes: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\'' | b'\\');
    if !bytes.is_empty() && bytes.len() <= PRINTED_BYTES_MAX && bytes.iter().all(plain) {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut text =
        format!("\"{}", escaped(&bytes[..bytes.len().min(PRINTED_BYTES_MAX)]).replace('"', "\\\""));
    text.push('"');
    if bytes.len() > PRINTED_BYTES_MAX {
        text.push_str(&format!("…({} bytes)", bytes.len()));
    }
    text
}

/// Printable ASCII as it is, everything else (and the backslash) as an escape.
pub fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            0x20..=0x7e => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_an_array_of_bulk_strings() {
        let mut out = Vec::new();
        encode(&[b"GET".to_vec(), Vec::new()], &mut out);
        assert_eq!(out, b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n");
    }

    #[test]
    fn printed_bytes_can_be_typed_again() {
        assert_eq!(printable(b"key:1"), "key:1");
        assert_eq!(printable(b""), "\"\"");
        assert_eq!(printable(b"a b\r\n\0\""), "\"a b\\r\\n\\x00\\\"\"");
        assert!(printable(&[b'x'; 1000]).ends_with("…(1000 bytes)"));
    }
}

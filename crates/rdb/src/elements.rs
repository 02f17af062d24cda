//! The elements of a packed collection in the encodings that Redis writes: listpack, ziplist, zipmap, intset.
//!
//! Each is walked once with every offset checked, and what its headers claim of sizes and counts must be true. Only
//! then are elements given out, one by one and borrowed: a hostile payload costs no memory here.

use crate::foreign;
use std::borrow::Cow;
use store::Str;

/// Which encoding, with the place of the next element.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// [`crate::listpack`]
    Listpack,
    /// [`foreign::ziplist`]
    Ziplist,
    /// [`foreign::zipmap`]
    Zipmap,
    /// [`foreign::intset`], with the bytes of each integer.
    Intset(usize),
}

/// The elements of a packed collection whose bytes are sound.
pub(crate) struct Elements<'a> {
    bytes: &'a [u8],
    form: Form,
    at: usize,
    given: usize,
    len: usize,
}

impl<'a> Elements<'a> {
    /// The elements from `at` to `end`, where the last of them must end; `None` when they do not. O(bytes).
    pub(crate) fn sound(
        form: Form,
        bytes: &'a [u8],
        at: usize,
        end: usize,
    ) -> Option<Elements<'a>> {
        let mut elements = Elements { bytes: bytes.get(..end)?, form, at, given: 0, len: 0 };
        while elements.at < end {
            elements.step()?;
        }
        let is_right = elements.at == end;
        is_right.then_some(Elements { at, given: 0, len: elements.given, ..elements })
    }

    /// How many are left.
    pub(crate) fn len(&self) -> usize {
        self.len - self.given
    }

    fn step(&mut self) -> Option<Str<'a>> {
        let rest = self.bytes.get(self.at..)?;
        let (element, taken) = match self.form {
            Form::Listpack => crate::listpack::element(rest)?,
            Form::Ziplist => foreign::ziplist_element(rest)?,
            Form::Zipmap => foreign::zipmap_element(rest, self.given % 2 == 1)?,
            Form::Intset(width) => (Str::Int(crate::read::int(rest.get(..width)?)), width),
        };
        self.at += taken;
        self.given += 1;
        Some(element)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Str<'a>;

    fn next(&mut self) -> Option<Str<'a>> {
        if self.given == self.len { None } else { self.step() }
    }
}

/// What stands for a string: read by itself, or an element.
pub(crate) trait Text {
    /// Its bytes; `buffer` is where an integer's text is written.
    fn bytes<'b>(&'b self, buffer: &'b mut itoa::Buffer) -> &'b [u8];

    /// The number that it spells, if it spells one.
    fn number(&self) -> Option<f64> {
        let mut buffer = itoa::Buffer::new();
        std::str::from_utf8(self.bytes(&mut buffer)).ok()?.parse().ok()
    }
}

impl Text for Cow<'_, [u8]> {
    fn bytes<'b>(&'b self, _: &'b mut itoa::Buffer) -> &'b [u8] {
        self
    }
}

impl Text for Str<'_> {
    fn bytes<'b>(&'b self, buffer: &'b mut itoa::Buffer) -> &'b [u8] {
        self.as_bytes(buffer)
    }
}

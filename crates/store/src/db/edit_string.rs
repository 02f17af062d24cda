//! Strings that are edited where they lie: bits of bitmaps, registers of HyperLogLogs.

use super::{Db, Found, Look, string_of, write_at};
use crate::object::{INLINE_VALUE_MAX, Object};
use crate::{Expiry, Key, Value, WrongType};
use base::Now;
use compact::NewValue;

/// Runs `edit` on the bytes of a string, which has become `raw` and at least `len_least` bytes long.
/// O(1) beyond the edit and the growth for a long string; a short one may be moved once.
fn with_bytes<R>(found: &mut Found<'_>, len_least: usize, edit: impl FnOnce(&mut [u8]) -> R) -> R {
    write_at(found, len_least, b"");
    match found.bytes_mut() {
        Some(bytes) => edit(bytes),
        None => {
            let edited = found.with_boxed(|object| edit(object.bytes_mut()));
            edited.expect("a string that is written into is boxed or within its entry")
        }
    }
}

impl Db<'_> {
    /// Gives the bytes of the key's string, filled with zeros to at least `len_least`, to `edit`, which
    /// says whether it changed them beside its result. An absent key has the empty string. The
    /// string is `raw` from then on; its time to live is kept. It counts as a change if the string
    /// was made, grew or was changed by `edit`. O(growth), amortised, beyond `edit`.
    pub fn edit_string<R>(
        &mut self,
        key: &Key<'_>,
        len_least: usize,
        now: Now,
        edit: impl FnOnce(&mut [u8]) -> (R, bool),
    ) -> Result<R, WrongType> {
        let Some(mut found) = self.find(key, Look::Write, now) else {
            let mut found = self.found_new(key, now);
            return Ok(with_bytes(&mut found, len_least, edit).0);
        };
        let grows = string_of(found.value())?.len() < len_least;
        let (result, changed) = with_bytes(&mut found, len_least, edit);
        if grows || changed {
            self.changed();
        }
        Ok(result)
    }

    /// Gives the bytes of the key's string to `edit` for what is no change of its meaning, such as a
    /// result that is kept beside what it was computed from. The string is `raw` from then on.
    /// Neither a use nor a change is counted; `None` when the key is absent. O(1) beyond `edit`.
    pub fn annotate_string<R>(
        &mut self,
        key: &Key<'_>,
        now: Now,
        edit: impl FnOnce(&mut [u8]) -> R,
    ) -> Result<Option<R>, WrongType> {
        let Some(mut found) = self.find(key, Look::Peek, now) else { return Ok(None) };
        string_of(found.value())?;
        Ok(Some(with_bytes(&mut found, 0, edit)))
    }

    /// Stores a string that was made for it and is `raw`: a long one is not copied. Replaces whatever was
    /// there and clears the time to live. O(1) for a long string.
    pub fn set_long(&mut self, key: &Key<'_>, bytes: Vec<u8>, now: Now) {
        if bytes.len() <= INLINE_VALUE_MAX {
            return self.set_value(key, Value::Raw(&bytes), Expiry::Clear, now);
        }
        let value = NewValue::Boxed(Box::new(Object::Bytes(bytes)));
        let Some(mut found) = self.find(key, Look::Write, now) else {
            return self.found_new(key, now).replace(value, None);
        };
        found.replace(value, None);
        self.changed();
    }

    /// An absent key, which now has the empty string; that is counted as the change.
    fn found_new(&mut self, key: &Key<'_>, now: Now) -> Found<'_> {
        self.insert(key, Value::Raw(&[]), None, now);
        self.find(key, Look::Peek, now).expect("it was inserted and does not expire")
    }
}

#[cfg(test)]
mod tests {
    use crate::{Expiry, Hasher, Key, Look, Store};
    use base::{Now, Prng};

    const NOW: Now = Now { unix_us: 1_000_000, mono_us: 1_000_000 };

    fn store() -> (Store, Hasher) {
        let store = Store::new(1, 0..16384, 1, 2);
        let hasher = store.hasher();
        (store, hasher)
    }

    fn held(store: &mut Store, key: &Key<'_>) -> Option<Vec<u8>> {
        let mut db = store.db(0);
        let value = db.string_as(key, Look::Peek, NOW).expect("it is a string");
        value.map(|value| value.to_vec())
    }

    #[test]
    fn strings_of_every_form_are_edited_as_a_plain_vector_would_be() {
        let ((mut store, hasher), mut prng) = (store(), Prng::new(8));
        let key = hasher.key(b"k");
        let mut model: Option<Vec<u8>> = None;
        for _ in 0..5000 {
            let small = prng.below(60) as usize;
            let len = [small, 3560 + small, 100 * small][prng.below(3) as usize];
            match prng.below(6) {
                0 => {
                    let text = prng.below(1 << 40).to_string().into_bytes();
                    store.db(0).set(&key, &text, Expiry::Clear, NOW);
                    model = Some(text);
                }
                1 => {
                    store.db(0).set_long(&key, vec![7; len], NOW);
                    model = Some(vec![7; len]);
                }
                2 => {
                    store.db(0).remove(&key, NOW);
                    model = None;
                }
                3 => {
                    let seen = store.db(0).annotate_string(&key, NOW, |bytes| bytes.to_vec());
                    assert_eq!(seen, Ok(model.clone()));
                }
                _ => {
                    let held = model.get_or_insert_default();
                    held.resize(held.len().max(len), 0);
                    let at = prng.below(held.len() as u64 + 1) as usize;
                    held.get_mut(at..).into_iter().for_each(|tail| tail.fill(9));
                    let edit = |bytes: &mut [u8]| {
                        bytes[at..].fill(9);
                        (bytes.len(), true)
                    };
                    assert_eq!(store.db(0).edit_string(&key, len, NOW, edit), Ok(held.len()));
                }
            }
            assert_eq!(held(&mut store, &key), model);
        }
    }

    #[test]
    fn a_change_is_counted_when_the_string_is_made_grows_or_was_changed() {
        let (mut store, hasher) = store();
        let key = hasher.key(b"k");
        let mut changes = |len_least: usize, changed: bool| {
            let before = store.changes();
            let edited = store.db(0).edit_string(&key, len_least, NOW, |_| ((), changed));
            assert_eq!(edited, Ok(()));
            store.changes() - before
        };
        assert_eq!(changes(0, false), 1);
        assert_eq!(changes(0, false), 0);
        assert_eq!(changes(5, true), 1);
        assert_eq!(changes(5, false), 0);
        assert_eq!(changes(5, true), 1);
        let before = store.changes();
        assert_eq!(store.db(0).annotate_string(&key, NOW, |bytes| bytes.len()), Ok(Some(5)));
        assert_eq!(store.changes(), before);
        store.db(0).set_long(&hasher.key(b"new"), vec![1; 5000], NOW);
        assert_eq!(store.changes(), before + 1);
    }

    #[test]
    fn the_time_to_live_is_kept_by_an_edit_and_cleared_by_another_string() {
        let (mut store, hasher) = store();
        let key = hasher.key(b"k");
        store.db(0).set(&key, b"v", Expiry::At(5000), NOW);
        assert_eq!(store.db(0).edit_string(&key, 5000, NOW, |_| ((), true)), Ok(()));
        assert_eq!(store.db(0).expiry(&key, NOW), Some(Some(5000)));
        store.db(0).set_long(&key, vec![1; 5000], NOW);
        assert_eq!(store.db(0).expiry(&key, NOW), Some(None));
    }
}

//! The directives that say when a collection outgrows its packed form.

use base::{Settings, settings};
use store::Shapes;

/// The thresholds that these settings name.
pub fn shapes(settings: &Settings) -> Shapes {
    Shapes {
        hash_entries: settings.size(settings::HASH_MAX_LISTPACK_ENTRIES),
        hash_value: settings.size(settings::HASH_MAX_LISTPACK_VALUE),
        list_size: settings.int(settings::LIST_MAX_LISTPACK_SIZE),
        set_ints: settings.size(settings::SET_MAX_INTSET_ENTRIES),
        set_entries: settings.size(settings::SET_MAX_LISTPACK_ENTRIES),
        set_value: settings.size(settings::SET_MAX_LISTPACK_VALUE),
        sorted_set_entries: settings.size(settings::ZSET_MAX_LISTPACK_ENTRIES),
        sorted_set_value: settings.size(settings::ZSET_MAX_LISTPACK_VALUE),
        stream_bytes: settings.size(settings::STREAM_NODE_MAX_BYTES),
        stream_entries: settings.size(settings::STREAM_NODE_MAX_ENTRIES),
    }
}

//! ACL categories of a command, derived from its spec.

use command::{Flags, Group, Spec};

/// Every category, in the order in which Redis lists them.
pub const ALL: [&str; 21] = [
    "@keyspace",
    "@read",
    "@write",
    "@set",
    "@sortedset",
    "@list",
    "@hash",
    "@string",
    "@bitmap",
    "@hyperloglog",
    "@geo",
    "@stream",
    "@pubsub",
    "@admin",
    "@fast",
    "@slow",
    "@blocking",
    "@dangerous",
    "@connection",
    "@transaction",
    "@scripting",
];

/// The categories of a command, in the order of [`ALL`]. What flags and group give, and what the
/// spec adds (`"@dangerous"`) or takes away (`"-@keyspace"`).
pub fn categories(spec: &Spec) -> Vec<&'static str> {
    let is_taken =
        |name: &str| spec.categories.iter().any(|word| word.strip_prefix('-') == Some(name));
    let has = |name: &str| {
        (spec.categories.contains(&name)
            || by_group(spec.group) == Some(name)
            || by_flags(spec, name))
            && !is_taken(name)
    };
    ALL.into_iter().filter(|name| has(name)).collect()
}

fn by_group(group: Group) -> Option<&'static str> {
    match group {
        Group::Generic => Some("@keyspace"),
        Group::String => Some("@string"),
        Group::List => Some("@list"),
        Group::Set => Some("@set"),
        Group::SortedSet => Some("@sortedset"),
        Group::Hash => Some("@hash"),
        Group::Stream => Some("@stream"),
        Group::Bitmap => Some("@bitmap"),
        Group::HyperLogLog => Some("@hyperloglog"),
        Group::Geo => Some("@geo"),
        Group::Connection => Some("@connection"),
        Group::Transactions => Some("@transaction"),
        Group::Scripting => Some("@scripting"),
        Group::Server | Group::Cluster | Group::PubSub => None,
    }
}

fn by_flags(spec: &Spec, name: &str) -> bool {
    let flag = |flag| spec.flags.has(flag);
    match name {
        "@write" => flag(Flags::WRITE),
        "@read" => flag(Flags::READONLY) && spec.group != Group::Scripting,
        "@admin" | "@dangerous" => flag(Flags::ADMIN),
        "@pubsub" => flag(Flags::PUBSUB),
        "@fast" => flag(Flags::FAST),
        "@slow" => !flag(Flags::FAST),
        "@blocking" => flag(Flags::BLOCKING),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_group_give_categories_and_the_spec_adds_or_takes_away() {
        let get =
            Spec { flags: Flags::READONLY.and(Flags::FAST), group: Group::String, ..Spec::NEW };
        assert_eq!(categories(&get), ["@read", "@string", "@fast"]);
        let admin = Spec { flags: Flags::ADMIN, group: Group::Server, ..Spec::NEW };
        assert_eq!(categories(&admin), ["@admin", "@slow", "@dangerous"]);
        let wait = Spec { categories: &["@connection", "-@keyspace"], ..Spec::NEW };
        assert_eq!(categories(&wait), ["@slow", "@connection"]);
    }
}

//! The table as a whole, and the texts that were observed on redis-server 7.0.

use super::*;

fn set(name: &str, value: &str) -> Result<String, String> {
    let id = SettingId::find(name.as_bytes()).expect("the test names a setting");
    let mut settings = Settings::default();
    settings.set(id, value.as_bytes())?;
    Ok(String::from_utf8(settings.get(id)).unwrap())
}

fn default_of(id: SettingId) -> String {
    String::from_utf8(Settings::default().get(id)).unwrap()
}

fn apply(pairs: &[(&str, &str)]) -> Result<Settings, String> {
    let pairs: Vec<_> =
        pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    Settings::default()
        .apply(&pairs, false)
        .map_err(|refusal| String::from_utf8_lossy(&refusal.text()).into_owned())
}

#[test]
fn every_name_and_alias_is_lower_case_unique_and_found_in_any_case() {
    let mut seen = std::collections::HashSet::new();
    for id in SettingId::all() {
        for name in [Some(id.row().name), id.row().alias].into_iter().flatten() {
            assert!(seen.insert(name), "{name} stands twice in the table");
            assert_eq!(name, name.to_ascii_lowercase());
            assert_eq!(SettingId::find(name.to_ascii_uppercase().as_bytes()), Some(id));
        }
    }
    assert_eq!(SettingId::find(b"nosuch"), None);
    assert_eq!(SettingId::find(b""), None);
    assert_eq!(MAXMEMORY.row().name, "maxmemory");
}

#[test]
fn every_default_survives_being_printed_and_taken_again() {
    let settings = Settings::default();
    for id in SettingId::all() {
        let printed = settings.get(id);
        let mut again = settings.clone();
        again.set(id, &printed).unwrap_or_else(|detail| panic!("{}: {detail}", id.row().name));
        assert_eq!(again, settings, "{}", id.row().name);
    }
}

#[test]
fn every_row_has_a_help_sentence_and_every_inert_one_a_reason() {
    for id in SettingId::all() {
        let help = id.row().help.trim();
        assert!(help.ends_with('.') && help.len() > 15, "{}: {help}", id.row().name);
        if let Meaning::Inert(why) = id.row().meaning {
            assert!(!why.is_empty() && !why.ends_with('.'), "{}", id.row().name);
        }
    }
}

#[test]
fn defaults_are_printed_as_redis_prints_them() {
    assert_eq!(default_of(BIND), "* -::*");
    assert_eq!(default_of(CLIENT_QUERY_BUFFER_LIMIT), "1073741824");
    assert_eq!(
        default_of(CLIENT_OUTPUT_BUFFER_LIMIT),
        "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
    );
    assert_eq!(default_of(OOM_SCORE_ADJ_VALUES), "0 200 800");
    assert_eq!(default_of(LATENCY_TRACKING_INFO_PERCENTILES), "50 99 99.9");
    assert_eq!(default_of(PROC_TITLE_TEMPLATE), "{title} {listen-addr} {server-mode}");
    assert_eq!(default_of(SHUTDOWN_ON_SIGTERM), "default");
    assert_eq!(default_of(REPLICAOF), "");
}

#[test]
fn numbers_are_taken_in_one_spelling_and_within_bounds() {
    assert_eq!(set("timeout", "5"), Ok("5".into()));
    for wrong in ["abc", "", "-0", "007", "+5", " 5", "1e3", "1.5", "9223372036854775808"] {
        assert_eq!(
            set("timeout", wrong),
            Err("argument couldn't be parsed into an integer".into()),
            "{wrong}"
        );
    }
    assert_eq!(
        set("timeout", "-1"),
        Err("argument must be between 0 and 2147483647 inclusive".into())
    );
    assert_eq!(set("hz", "0"), Ok("1".into()));
    assert_eq!(set("hz", "1000"), Ok("500".into()));
    assert_eq!(set("unixsocketperm", "777"), Ok("777".into()));
    assert_eq!(
        set("unixsocketperm", "9"),
        Err("argument couldn't be parsed as an octal number".into())
    );
    assert_eq!(
        set("unixsocketperm", "1000"),
        Err("argument must be between 0 and 777 inclusive".into())
    );
}

#[test]
fn memory_sizes_have_units_and_percentages() {
    let sizes = [
        ("1k", 1000u64),
        ("1KB", 1024),
        ("2m", 2_000_000),
        ("1mb", 1 << 20),
        ("1G", 1_000_000_000),
    ];
    for (text, bytes) in sizes.into_iter().chain([("1gb", 1 << 30), ("7b", 7), ("", 0), ("kb", 0)])
    {
        assert_eq!(set("maxmemory", text), Ok(bytes.to_string()), "{text}");
    }
    assert_eq!(set("maxmemory", "99999999999999999999"), Ok(u64::MAX.to_string()));
    for wrong in ["abc", "-1", "1kb2", "50%", "1t", "1.5mb", "1 mb", "+1"] {
        assert_eq!(
            set("maxmemory", wrong),
            Err("argument must be a memory value".into()),
            "{wrong}"
        );
    }
    assert_eq!(
        set("repl-backlog-size", "0"),
        Err("argument must be between 1 and 9223372036854775807 inclusive".into())
    );
    assert_eq!(set("repl-backlog-size", "1kb"), Ok("16384".into()));
    assert_eq!(set("maxmemory-clients", "50%"), Ok("50%".into()));
    assert_eq!(set("maxmemory-clients", "0%"), Ok("0".into()));
    assert_eq!(
        set("maxmemory-clients", "101%"),
        Err("percentage argument must be less or equal to 100".into())
    );
    assert_eq!(
        set("maxmemory-clients", "5x%"),
        Err("argument must be a memory or percent value".into())
    );
}

#[test]
fn names_are_taken_in_any_case_and_the_choice_is_listed_on_error() {
    assert_eq!(set("maxmemory-policy", "AllKeys-LRU"), Ok("allkeys-lru".into()));
    assert_eq!(
        set("appendfsync", "x"),
        Err("argument(s) must be one of the following: everysec, always, no".into())
    );
    assert_eq!(set("appendonly", "YES"), Ok("yes".into()));
    assert_eq!(set("appendonly", "maybe"), Err("argument must be 'yes' or 'no'".into()));
    assert_eq!(set("oom-score-adj", "relative"), Ok("yes".into()));
    assert_eq!(set("shutdown-on-sigterm", "SAVE FORCE now"), Ok("save now force".into()));
    assert_eq!(set("shutdown-on-sigterm", "default now"), Ok("now".into()));
    assert_eq!(
        set("shutdown-on-sigterm", ""),
        Err("argument(s) must be one of the following: default, save, nosave, now, force".into())
    );
    assert_eq!(
        set("shutdown-on-sigterm", "save nosave"),
        Err("shutdown options SAVE and NOSAVE can't be used simultaneously".into())
    );
}

#[test]
fn lists_are_cut_at_single_spaces() {
    assert_eq!(set("save", "900 1 300 10"), Ok("900 1 300 10".into()));
    assert_eq!(set("save", ""), Ok(String::new()));
    for wrong in ["900", "900 1 300", "0 1", "9 -1", "a 1", " 900 1", "900  1"] {
        assert_eq!(set("save", wrong), Err("Invalid save parameters".into()), "{wrong}");
    }
    assert_eq!(set("oom-score-adj-values", "1 2"), Err("wrong number of arguments".into()));
    assert_eq!(
        set("oom-score-adj-values", "1 2 3000"),
        Err("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".into())
    );
    assert_eq!(
        set("latency-tracking-info-percentiles", "33.333333333 50.50 1e1 100"),
        Ok("33.333333 50.5 10 100".into())
    );
    assert_eq!(set("latency-tracking-info-percentiles", ""), Ok(String::new()));
    assert_eq!(
        set("latency-tracking-info-percentiles", "50 100.5"),
        Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into())
    );
    assert_eq!(
        set("latency-tracking-info-percentiles", "50  60"),
        Err("Invalid latency-tracking-info-percentiles parameters".into())
    );
    assert_eq!(
        set("bind", "a b c d e f g h i j k l m n o p q"),
        Err("Too many bind addresses specified.".into())
    );
}

#[test]
fn output_limits_change_class_by_class() {
    let name = "client-output-buffer-limit";
    assert_eq!(
        set(name, "normal 1mb 2kb 3"),
        Ok("normal 1048576 2048 3 slave 268435456 67108864 60 pubsub 33554432 8388608 60".into())
    );
    assert_eq!(
        set(name, "replica 1 2 3 pubsub 4 5 6"),
        Ok("normal 0 0 0 slave 1 2 3 pubsub 4 5 6".into())
    );
    assert_eq!(
        set(name, "normal 1"),
        Err("Wrong number of arguments in buffer limit configuration.".into())
    );
    assert_eq!(
        set(name, "master 1 2 3"),
        Err("Invalid client class specified in buffer limit configuration.".into())
    );
    for wrong in ["normal x 2kb 3", "normal 1 2kb x", "normal -1 0 0", "normal 1 0 -1"] {
        assert_eq!(
            set(name, wrong),
            Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into())
        );
    }
}

#[test]
fn keyspace_event_classes_are_printed_in_the_order_of_redis() {
    let name = "notify-keyspace-events";
    for (given, printed) in [
        ("KEA", "AKE"),
        ("gE$l", "g$lE"),
        ("Kg$lshzxetdmn", "AKm"),
        ("ngd", "gdn"),
        ("KEAmn", "AKEm"),
        ("", ""),
    ] {
        assert_eq!(set(name, given), Ok(printed.into()), "{given}");
    }
    assert_eq!(
        set(name, "Ky"),
        Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".into())
    );
}

#[test]
fn several_change_at_once_or_none() {
    let settings = apply(&[("HZ", "20"), ("maxmemory", "1mb")]).unwrap();
    assert_eq!((settings.int(HZ), settings.int(MAXMEMORY)), (20, 1 << 20));
    assert_eq!(settings.changed_since(&Settings::default()), [HZ, MAXMEMORY]);
    let refused = |pairs| apply(pairs).unwrap_err();
    assert_eq!(
        refused(&[("hz", "20"), ("maxmemory", "abc")]),
        "ERR CONFIG SET failed (possibly related to argument 'maxmemory') - argument must be a memory value"
    );
    assert_eq!(
        refused(&[("hz", "20"), ("NoSuch", "abc")]),
        "ERR Unknown option or number of arguments for CONFIG SET - 'NoSuch'"
    );
    assert_eq!(
        refused(&[("databases", "1"), ("nosuch", "abc")]),
        "ERR CONFIG SET failed (possibly related to argument 'databases') - can't set immutable config"
    );
    assert_eq!(
        refused(&[("HZ", "20"), ("hz", "21")]),
        "ERR CONFIG SET failed (possibly related to argument 'hz') - duplicate parameter"
    );
    assert_eq!(
        refused(&[("dir", "/tmp")]),
        "ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config"
    );
    assert_eq!(
        refused(&[("repl-ping-slave-period", "a")]),
        "ERR CONFIG SET failed (possibly related to argument 'repl-ping-slave-period') - \
         argument couldn't be parsed into an integer"
    );
}

#[test]
fn a_name_and_its_alias_may_both_be_set_and_the_last_wins() {
    let settings =
        apply(&[("hash-max-ziplist-entries", "5"), ("hash-max-listpack-entries", "6")]).unwrap();
    assert_eq!(settings.int(HASH_MAX_LISTPACK_ENTRIES), 6);
}

#[test]
fn protected_settings_change_for_whom_the_setting_allows() {
    let mut settings = Settings::default();
    assert!(!settings.protected_allowed(true));
    settings.set(ENABLE_PROTECTED_CONFIGS, b"local").unwrap();
    assert!(settings.protected_allowed(true) && !settings.protected_allowed(false));
    assert!(settings.apply(&[(b"dir", b"/tmp")], true).is_ok());
}

/// Enough of a glob for these tests: a prefix before a star.
fn prefix_glob(pattern: &[u8], name: &[u8]) -> bool {
    let prefix = pattern.strip_suffix(b"*").unwrap_or(pattern);
    name.len() >= prefix.len() && name[..prefix.len()].eq_ignore_ascii_case(prefix)
}

#[test]
fn config_get_finds_names_aliases_and_hidden_ones_by_their_own_name() {
    let names = |patterns: &[&str]| -> Vec<String> {
        let patterns: Vec<_> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
        let found = matching(&patterns, prefix_glob);
        found.into_iter().map(|(name, _)| String::from_utf8(name).unwrap()).collect()
    };
    assert_eq!(names(&["hash-max-*-nothing"]), Vec::<String>::new());
    assert_eq!(names(&["min-slaves*", "min-replicas-to*"]).len(), 3);
    assert_eq!(names(&["MAXMEMORY-P*", "maxmemory-policy"]), ["maxmemory-policy"]);
    assert_eq!(names(&["HZ", "hz"]), ["HZ"]);
    assert_eq!(names(&["watchdog-period"]), ["watchdog-period"]);
    assert!(!names(&["*"]).contains(&"watchdog-period".into()));
    assert!(names(&["*"]).len() > 192, "redis-server 7.0 prints 192 names");
    assert!(names(&["nosuch"]).is_empty());
}

#[test]
fn file_lines_come_as_words_and_one_quoted_word_is_cut() {
    let mut settings = Settings::default();
    settings.set_words(SAVE, &[b"60", b"1"]).unwrap();
    assert_eq!(settings.save_points(), [SavePoint { seconds: 60, changes: 1 }]);
    settings.set_words(SAVE, &[b"900 1 300 10"]).unwrap();
    assert_eq!(settings.save_points().len(), 2);
    assert_eq!(settings.set_words(HZ, &[b"1", b"2"]), Err("wrong number of arguments".into()));
    settings.set_words(REPLICAOF, &[b"no", b"one"]).unwrap();
    assert!(settings.words(REPLICAOF).is_empty());
    assert_eq!(settings.set_words(REPLICAOF, &[b"h", b"99999"]), Err("Invalid master port".into()));
    assert_eq!(settings.set_words(REPLICAOF, &[b"h"]), Err("wrong number of arguments".into()));
}

#[test]
fn typed_readers_give_what_was_set() {
    let mut settings = Settings::default();
    settings.set(MAXMEMORY_CLIENTS, b"10%").unwrap();
    assert_eq!(settings.memory_of(MAXMEMORY_CLIENTS, 1000), 100);
    settings.set(REQUIREPASS, b"p\xffw").unwrap();
    assert_eq!(settings.text(REQUIREPASS), b"p\xffw");
    assert_eq!(settings.choice(MAXMEMORY_POLICY), "noeviction");
    assert_eq!(settings.output_limit(OUTPUT_PUBSUB).soft_s, 60);
    assert_eq!(settings.percentiles(LATENCY_TRACKING_INFO_PERCENTILES), [50.0, 99.0, 99.9]);
    settings.set(NOTIFY_KEYSPACE_EVENTS, b"KA").unwrap();
    assert_eq!(settings.notify(), notify::KEYSPACE | notify::ALL);
    assert_eq!(settings.size(MAXCLIENTS), 10000);
    assert!(settings.flag(PROTECTED_MODE));
}

#[test]
fn defragmentation_is_taken_from_a_file_and_refused_at_run_time() {
    assert!(Settings::default().set(ACTIVEDEFRAG, b"yes").is_ok());
    assert!(apply(&[("activedefrag", "no")]).is_ok());
    let why = apply(&[("hz", "20"), ("ACTIVEDEFRAG", "yes")]).expect_err("no such allocator");
    assert!(why.contains("argument 'activedefrag') - Active defragmentation cannot be enabled"));
}

#[test]
fn names_are_repeated_byte_for_byte_and_what_is_unknown_up_to_a_nul() {
    let apply = |name: &[u8]| Settings::default().apply(&[(name, b"1")], false);
    let text = apply(b"\xffx\0y").expect_err("unknown").text();
    assert_eq!(text, b"ERR Unknown option or number of arguments for CONFIG SET - '\xffx'");
}

#[test]
fn what_stands_behind_a_nul_does_not_count_where_redis_reads_c_strings() {
    let set = |id, value: &str| {
        let mut settings = Settings::default();
        settings.set(id, value.as_bytes()).map(|()| settings.get(id))
    };
    assert_eq!(set(MAXMEMORY, "\0"), Ok(b"0".to_vec()));
    assert_eq!(set(MAXMEMORY, "1k\0x"), Ok(b"1000".to_vec()));
    assert_eq!(set(MAXMEMORY_POLICY, "allkeys-lru\0x"), Ok(b"allkeys-lru".to_vec()));
    assert_eq!(set(LAZYFREE_LAZY_EXPIRE, "yes\0"), Ok(b"yes".to_vec()));
    assert_eq!(set(NOTIFY_KEYSPACE_EVENTS, "K\0z"), Ok(b"K".to_vec()));
    assert!(set(HZ, "10\0").is_err());
}

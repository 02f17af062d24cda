//! Loading without a disk: files are a map.

use super::*;
use base::settings::*;
use std::collections::BTreeMap;
use std::io;

#[derive(Default)]
struct Map(BTreeMap<PathBuf, String>);

impl Files for Map {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0
            .get(path)
            .map(|text| text.clone().into_bytes())
            .ok_or_else(|| io::Error::from_raw_os_error(2))
    }

    fn expand(&self, pattern: &str) -> Vec<PathBuf> {
        match pattern.strip_suffix('*') {
            None => vec![PathBuf::from(pattern)],
            Some(prefix) => {
                let fits =
                    |path: &&PathBuf| path.to_str().is_some_and(|path| path.starts_with(prefix));
                self.0.keys().filter(fits).cloned().collect()
            }
        }
    }

    fn folder(&self, path: &Path) -> io::Result<PathBuf> {
        match path.to_str() {
            Some("." | "./" | "/here") => Ok(PathBuf::from("/here")),
            Some("/data") => Ok(PathBuf::from("/data")),
            _ => Err(io::Error::from_raw_os_error(2)),
        }
    }
}

fn loaded(files: &[(&str, &str)], run: &Run, stdin: &str) -> Result<Loaded, ConfigError> {
    let files =
        Map(files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect());
    load(run, stdin.as_bytes(), &files, &|name| matches!(name, b"get" | b"set" | b"config"))
}

fn conf(text: &str) -> Result<Loaded, ConfigError> {
    let run = Run { file: Some("r.conf".into()), ..Run::default() };
    loaded(&[("r.conf", text)], &run, "")
}

fn settings_of(text: &str) -> Settings {
    conf(text).expect("the text is a good configuration").settings
}

fn refused(text: &str) -> String {
    conf(text).expect_err("the text is a bad configuration").to_string()
}

fn with_lines(text: &str, lines: &[&str]) -> Settings {
    let lines = lines.iter().map(|line| (*line).to_owned()).collect();
    let run = Run { file: Some("r.conf".into()), stdin: false, lines };
    loaded(&[("r.conf", text)], &run, "").unwrap().settings
}

fn printed(settings: &Settings, id: SettingId) -> String {
    String::from_utf8(settings.get(id)).unwrap()
}

#[test]
fn comments_blank_lines_and_case_do_not_matter() {
    let settings = settings_of("# a comment\n\n  HZ   20 \r\n\tport 7000\nrequirepass \"a b\"");
    assert_eq!((settings.int(HZ), settings.int(PORT)), (20, 7000));
    assert_eq!(settings.text(REQUIREPASS), b"a b");
}

#[test]
fn an_error_names_the_line_as_redis_does() {
    assert_eq!(
        refused("port 1\n\n# c\n  hz   x\n"),
        "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.4) ***\n\
         Reading the configuration file, at line 4\n\
         >>> 'hz   x'\n\
         argument couldn't be parsed into an integer"
    );
    for (line, reason) in [
        ("hz \"10", "Unbalanced quotes in configuration line"),
        ("nosuch 1", "Bad directive or wrong number of arguments"),
        ("hz", "wrong number of arguments"),
        ("hz 1 2", "wrong number of arguments"),
        ("include", "Bad directive or wrong number of arguments"),
        ("include a b", "Bad directive or wrong number of arguments"),
        ("sentinel monitor a b c d", "sentinel directive while not in sentinel mode"),
        ("rename-command get", "Bad directive or wrong number of arguments"),
        ("rename-command nosuch x", "No such command in rename-command"),
        ("rename-command get set", "Target command name already exists"),
        ("rename-command get \"\"\nrename-command GET \"\"", "No such command in rename-command"),
        ("dir /nonexistent", "No such file or directory"),
        ("dbfilename a/b", "dbfilename can't be a path, just a filename"),
        ("save 60 1 5", "Invalid save parameters"),
    ] {
        assert!(refused(line).ends_with(&format!("\n{reason}")), "{line}: {}", refused(line));
    }
}

#[test]
fn a_missing_file_is_told() {
    let run = Run { file: Some("/nonexistent.conf".into()), ..Run::default() };
    assert_eq!(
        loaded(&[], &run, "").unwrap_err().to_string(),
        "Fatal error, can't open config file '/nonexistent.conf': No such file or directory"
    );
    assert!(refused("include nosuch.conf").contains("can't open config file 'nosuch.conf'"));
}

#[test]
fn files_include_others_by_name_and_by_pattern_and_never_in_circles() {
    let run = Run { file: Some("r.conf".into()), ..Run::default() };
    let files = [
        ("r.conf", "include d/*\ninclude none*\nhz 7"),
        ("d/a", "port 1\nhz 9"),
        ("d/b", "port 2"),
    ];
    let settings = loaded(&files, &run, "").unwrap().settings;
    assert_eq!((settings.int(PORT), settings.int(HZ)), (2, 7));
    let wrong =
        loaded(&[("r.conf", "include b"), ("b", "\nhz x")], &run, "").unwrap_err().to_string();
    assert!(wrong.contains("Reading the configuration file 'b', at line 2"), "{wrong}");
    assert!(refused("include r.conf").contains("include each other more than 16 deep"));
}

#[test]
fn the_standard_input_follows_the_file_and_options_follow_both() {
    let run = Run { file: Some("r.conf".into()), stdin: true, lines: vec!["hz \"30\"".into()] };
    let settings = loaded(&[("r.conf", "hz 10\nport 1\ntimeout 1")], &run, "hz 20\nport 2\n")
        .unwrap()
        .settings;
    assert_eq!((settings.int(HZ), settings.int(PORT), settings.int(TIMEOUT)), (30, 2, 1));
}

#[test]
fn lines_of_save_add_up_and_the_command_line_replaces_them() {
    let text = "save 900 1\nsave 800 2";
    assert_eq!(printed(&settings_of(text), SAVE), "900 1 800 2");
    assert_eq!(printed(&settings_of("save 900 1\nsave \"\"\nsave 60 5"), SAVE), "60 5");
    assert_eq!(printed(&settings_of("save \"900 1\""), SAVE), "900 1");
    assert_eq!(printed(&with_lines(text, &["save \"60\" \"1\""]), SAVE), "60 1");
    assert_eq!(printed(&with_lines(text, &["save \"\""]), SAVE), "");
    assert_eq!(
        printed(&with_lines(text, &["save \"60\" \"1\"", "save \"70\" \"2\""]), SAVE),
        "60 1 70 2"
    );
}

#[test]
fn output_limits_are_given_class_by_class() {
    let settings = settings_of(
        "client-output-buffer-limit normal 1mb 0 0\nclient-output-buffer-limit pubsub 1 2 3\n",
    );
    assert_eq!(settings.output_limit(OUTPUT_NORMAL).hard_bytes, 1 << 20);
    assert_eq!(settings.output_limit(OUTPUT_REPLICA).soft_s, 60);
    assert_eq!(settings.output_limit(OUTPUT_PUBSUB).soft_s, 3);
}

#[test]
fn commands_are_renamed_and_taken_away() {
    let renames =
        conf("rename-command CONFIG \"\"\nrename-command get xget\nrename-command set GET")
            .unwrap()
            .renames;
    let pairs: Vec<_> =
        renames.iter().map(|rename| (rename.from.as_slice(), rename.to.as_slice())).collect();
    assert_eq!(pairs, [(&b"config"[..], &b""[..]), (b"get", b"xget"), (b"set", b"GET")]);
}

#[test]
fn what_means_nothing_here_is_told_once_with_its_reason() {
    let loaded = conf(
        "tls-port 6380\ntls-port 6381\nappendonly no\nrdbchecksum yes\nhz 10\nloadmodule /x.so",
    )
    .unwrap();
    assert_eq!(
        loaded.warnings,
        [
            "`tls-port` has no meaning here: TLS is not built yet",
            "given with their default values, without a meaning here: appendonly, rdbchecksum",
            "`loadmodule /x.so` has no meaning here: modules cannot be loaded",
        ]
    );
}

#[test]
fn users_never_lose_a_restriction_silently() {
    assert!(conf("user default on nopass ~* &* +@all").unwrap().warnings.is_empty());
    assert_eq!(settings_of("user default on >pw ~* +@all").text(REQUIREPASS), b"pw");
    assert_eq!(conf("user alice on >x ~* +@all").unwrap().warnings.len(), 1);
    assert!(refused("user default off").contains("`off` cannot be kept"));
    assert!(refused("user default on nopass ~app:* +@all").contains("`~app:*` cannot be kept"));
    assert!(refused("user default on #00ff ~* +@all").contains("needs its `requirepass`"));
    assert!(conf("requirepass x\nuser default on #00ff ~* &* +@all").is_ok());
}

#[test]
fn the_folder_and_the_file_become_absolute() {
    let loaded = conf("dir /data").unwrap();
    assert_eq!(loaded.settings.text(DIR), b"/data");
    assert_eq!(loaded.file, Some(PathBuf::from("/here/r.conf")));
    assert_eq!(conf("").unwrap().settings.text(DIR), b"/here");
}
#[test]
fn a_file_that_gives_every_directive_its_default_starts_with_one_warning() {
    let defaults = Settings::default();
    let mut text = String::new();
    for id in SettingId::all() {
        let value = defaults.get(id);
        let quoted = grammar::quote(&value);
        let lists = id.row().kind.takes_words() && !value.is_empty();
        let words = if lists { String::from_utf8(value).unwrap() } else { quoted };
        let line = format!("{} {words}\n", id.row().name);
        if id != REPLICAOF {
            text.push_str(&line);
        }
    }
    let loaded = conf(&text).unwrap();
    assert_eq!(loaded.settings.changed_since(&defaults), [DIR], "`dir` became absolute");
    assert_eq!(loaded.warnings.len(), 1);
}

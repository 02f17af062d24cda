//! The closed list of settings.
//!
//! Names, defaults, bounds and what may change at run time are those of Redis 7.2 (observed on a
//! 7.0 server, plus what 7.2 added); the last group is ours and that of newer servers. A default
//! differs from Redis' only where Redis' would be a lie here: `save` is empty.

use super::SettingId;
use super::check;
use super::kind::{Kind, MAX_BIND_ADDRESSES, Setting};
use crate::core::MAX_CORES;
use crate::limits::MAX_DATABASES;

// Why a directive does nothing. Each reads well behind "has no meaning here: ".
const ACL: &str = "only the default user exists";
const ALLOCATOR: &str =
    "the allocator is not jemalloc, and values live in slabs that need no defragmentation";
const BUS: &str = "the cores of one machine need no cluster bus and no failover";
const CRASH: &str = "a crash leaves a core dump and the log, not a report of its own";
const DISK: &str = "nothing is kept on disk";
const FOREGROUND: &str = "the server stays in the foreground; a service manager keeps it running";
const FREEING: &str = "large values are always freed in bounded steps";
const GROWTH: &str = "tables always grow in bounded steps";
const LAYOUT: &str = "encodings follow the layouts of this server";
const MODULES: &str = "modules cannot be loaded";
const OS: &str = "the operating system's setting is left as it is";
const PUBSUB: &str = "publish/subscribe and what rests on it are not built yet";
const REPLICATION: &str = "replication is not built yet";
const SCRIPTS: &str = "nothing obsolete is shown to scripts";
const SYSLOG: &str = "logs go to `logfile` or to the standard output";
const THREADS: &str = "every core serves its own connections";
const TLS: &str = "TLS is not built yet";
const TRACKING: &str = "client-side caching is not built yet";

const INT_MAX: i64 = i32::MAX as i64;
const INT_MIN: i64 = i32::MIN as i64;
const UINT_MAX: i64 = u32::MAX as i64;
const LONG_MAX: i64 = i64::MAX;
const BYTES_MAX: u64 = i64::MAX as u64;
const PORT_MAX: i64 = 65535;

const YES_NO_LOCAL: &[&str] = &["no", "yes", "local"];
const SHUTDOWN: &[&str] = &["default", "save", "nosave", "now", "force"];
const POLICIES: &[&str] = &[
    "volatile-lru",
    "volatile-lfu",
    "volatile-random",
    "volatile-ttl",
    "allkeys-lru",
    "allkeys-lfu",
    "allkeys-random",
    "noeviction",
];
const FACILITIES: &[&str] =
    &["user", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"];

const fn flag(name: &'static str, default: &'static str) -> Setting {
    Setting::new(name, Kind::Flag, default)
}

const fn int(name: &'static str, min: i64, max: i64, default: &'static str) -> Setting {
    Setting::new(name, Kind::Int { min, max }, default)
}

const fn memory(name: &'static str, min: u64, max: u64, default: &'static str) -> Setting {
    Setting::new(name, Kind::Memory { min, max }, default)
}

const fn choice(
    name: &'static str,
    names: &'static [&'static str],
    default: &'static str,
) -> Setting {
    Setting::new(name, Kind::Choice(names), default)
}

const fn text(name: &'static str, default: &'static str) -> Setting {
    Setting::new(name, Kind::Text, default)
}

/// Gives each row its constant, its place in [`TABLE`] and its doc comment as help.
macro_rules! settings {
    ($($(#[doc = $help:literal])+ $id:ident = $row:expr;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u16)]
        enum Position { $($id),* }

        $($(#[doc = $help])+ pub const $id: SettingId = SettingId(Position::$id as u16);)*

        /// Every setting there is.
        pub const TABLE: &[Setting] = &[$($row.help(concat!($($help),+))),*];
    };
}

settings! {
    // ---- network ----

    /// Addresses to listen on; a `-` before one means that it may be missing, `*` every IPv4 and `::*` every IPv6 address.
    BIND = Setting::new("bind", Kind::Words { max: MAX_BIND_ADDRESSES }, "* -::*");
    /// Address from which this server connects to others.
    BIND_SOURCE_ADDR = text("bind-source-addr", "").inert(REPLICATION);
    /// TCP port of the standalone face; 0 opens none.
    PORT = int("port", 0, PORT_MAX, "6379");
    /// Length of the queue of connections that were not accepted yet.
    TCP_BACKLOG = int("tcp-backlog", 0, INT_MAX, "511").at_start();
    /// Seconds of silence after which TCP probes a connection; 0 never does.
    TCP_KEEPALIVE = int("tcp-keepalive", 0, INT_MAX, "300");
    /// Seconds of idleness after which a client is closed; 0 never does.
    TIMEOUT = int("timeout", 0, INT_MAX, "0");
    /// Path of the UNIX socket to listen on; empty opens none.
    UNIXSOCKET = text("unixsocket", "").at_start();
    /// Permissions of the UNIX socket, in octal; 0 leaves what the process' mask gives.
    UNIXSOCKETPERM = Setting::new("unixsocketperm", Kind::Octal { max: 0o777 }, "0").at_start();
    /// Clients at the same time; lowered at start if the file limit does not allow it.
    MAXCLIENTS = int("maxclients", 1, UINT_MAX, "10000");
    /// Whether clients from other machines are refused while there is no password and no `bind`.
    PROTECTED_MODE = flag("protected-mode", "yes");
    /// Mark for packet filters on every socket.
    SOCKET_MARK_ID = int("socket-mark-id", 0, UINT_MAX, "0").at_start().inert(OS);
    /// Bytes of one client's unparsed requests before it is closed.
    CLIENT_QUERY_BUFFER_LIMIT = memory("client-query-buffer-limit", 1 << 20, BYTES_MAX, "1gb");
    /// Bytes of unsent replies before a client is closed: class, hard limit, soft limit and its seconds.
    CLIENT_OUTPUT_BUFFER_LIMIT = Setting::new("client-output-buffer-limit", Kind::OutputLimits, "normal 0 0 0 replica 256mb 64mb 60 pubsub 32mb 8mb 60");
    /// Bytes of the largest argument of a request.
    PROTO_MAX_BULK_LEN = memory("proto-max-bulk-len", 1 << 20, BYTES_MAX, "512mb");

    // ---- who may do what ----

    /// Password of the default user; empty asks for none.
    REQUIREPASS = text("requirepass", "").sensitive();
    /// File with users and their rights.
    ACLFILE = text("aclfile", "").at_start().inert(ACL);
    /// Channels that a new user may use.
    ACL_PUBSUB_DEFAULT = choice("acl-pubsub-default", &["allchannels", "resetchannels"], "resetchannels").inert(ACL);
    /// Entries that ACL LOG keeps.
    ACLLOG_MAX_LEN = int("acllog-max-len", 0, LONG_MAX, "128").inert(ACL);
    /// Whether DEBUG works: for nobody, everybody, or local clients.
    ENABLE_DEBUG_COMMAND = choice("enable-debug-command", YES_NO_LOCAL, "no").at_start();
    /// Whether MODULE LOAD works: for nobody, everybody, or local clients.
    ENABLE_MODULE_COMMAND = choice("enable-module-command", YES_NO_LOCAL, "no").at_start().inert(MODULES);
    /// Whether CONFIG SET may change `dir` and `dbfilename`: for nobody, everybody, or local clients.
    ENABLE_PROTECTED_CONFIGS = choice("enable-protected-configs", YES_NO_LOCAL, "no").at_start();

    // ---- the process ----

    /// Working folder; relative paths start there.
    DIR = text("dir", "./").protected();
    /// Whether to leave the terminal and run behind it.
    DAEMONIZE = flag("daemonize", "no").at_start().inert(FOREGROUND);
    /// How to tell a service manager that the server is ready.
    SUPERVISED = choice("supervised", &["upstart", "systemd", "auto", "no"], "no").at_start().inert(FOREGROUND);
    /// File that holds the process id while the server runs; empty writes none.
    PIDFILE = text("pidfile", "").at_start();
    /// The least weight of what is logged.
    LOGLEVEL = choice("loglevel", &["debug", "verbose", "notice", "warning", "nothing"], "notice");
    /// File to log to; empty logs to the standard output.
    LOGFILE = text("logfile", "").at_start();
    /// Whether to log to syslog.
    SYSLOG_ENABLED = flag("syslog-enabled", "no").at_start().inert(SYSLOG);
    /// The name in syslog.
    SYSLOG_IDENT = text("syslog-ident", "redis").at_start().inert(SYSLOG);
    /// The facility in syslog.
    SYSLOG_FACILITY = choice("syslog-facility", FACILITIES, "local0").at_start().inert(SYSLOG);
    /// Whether to log a report when the server crashes.
    CRASH_LOG_ENABLED = flag("crash-log-enabled", "yes").inert(CRASH);
    /// Whether to test the memory when the server crashes.
    CRASH_MEMCHECK_ENABLED = flag("crash-memcheck-enabled", "yes").inert(CRASH);
    /// Whether to end by exit instead of abort after a panic.
    USE_EXIT_ON_PANIC = flag("use-exit-on-panic", "no").hidden().inert(CRASH);
    /// Whether to check assertions that are meant for debugging.
    ENABLE_DEBUG_ASSERT = flag("enable-debug-assert", "no").at_start().hidden().inert(CRASH);
    /// Milliseconds after which a stuck server logs where it is.
    WATCHDOG_PERIOD = int("watchdog-period", 0, INT_MAX, "0").hidden().inert(CRASH);
    /// Whether to show the logo in the log at every start.
    ALWAYS_SHOW_LOGO = flag("always-show-logo", "no").at_start().inert("there is no logo");
    /// Whether to change the title of the process.
    SET_PROC_TITLE = flag("set-proc-title", "yes").at_start().inert(OS);
    /// What the title of the process looks like.
    PROC_TITLE_TEMPLATE = text("proc-title-template", "{title} {listen-addr} {server-mode}").check(check::title_template).inert(OS);
    /// Locale of comparisons in SORT ALPHA; bytes are compared here whatever it is.
    LOCALE_COLLATE = text("locale-collate", "").inert("texts are compared as bytes");
    /// Warnings at start that are not wanted.
    IGNORE_WARNINGS = text("ignore-warnings", "").inert("there is no such warning");
    /// Whether to switch transparent huge pages off for the process.
    DISABLE_THP = flag("disable-thp", "yes").at_start();
    /// Whether to adjust the score that the OOM killer gives this process.
    OOM_SCORE_ADJ = choice("oom-score-adj", &["no", "yes", "relative", "absolute"], "no").check(check::oom_score_adj).inert(OS);
    /// The adjustments of a master, a replica and a child.
    OOM_SCORE_ADJ_VALUES = Setting::new("oom-score-adj-values", Kind::OomScores, "0 200 800").inert(OS);
    /// Seconds to wait at shutdown for replicas.
    SHUTDOWN_TIMEOUT = int("shutdown-timeout", 0, INT_MAX, "10").inert(REPLICATION);
    /// What SIGINT does beside ending the server.
    SHUTDOWN_ON_SIGINT = Setting::new("shutdown-on-sigint", Kind::Options(SHUTDOWN), "default").check(check::shutdown).inert(DISK);
    /// What SIGTERM does beside ending the server.
    SHUTDOWN_ON_SIGTERM = Setting::new("shutdown-on-sigterm", Kind::Options(SHUTDOWN), "default").check(check::shutdown).inert(DISK);
    /// Number of databases.
    DATABASES = int("databases", 1, MAX_DATABASES as i64, "16").at_start();
    /// Rounds of housekeeping a second.
    HZ = int("hz", 0, INT_MAX, "10").check(check::hz);
    /// Whether housekeeping comes more often with many clients.
    DYNAMIC_HZ = flag("dynamic-hz", "yes").inert("housekeeping follows the work there is");
    /// Threads that read and write sockets.
    IO_THREADS = int("io-threads", 1, 128, "1").at_start().inert(THREADS);
    /// Whether those threads read too.
    IO_THREADS_DO_READS = flag("io-threads-do-reads", "no").at_start().inert(THREADS);
    /// CPUs to run on, like `0,2-5` or `0-7:2`; empty takes what the machine allows.
    SERVER_CPULIST = text("server-cpulist", "").alias("server_cpulist").at_start();
    /// CPUs of background threads.
    BIO_CPULIST = text("bio-cpulist", "").alias("bio_cpulist").at_start().inert(THREADS);
    /// CPUs of the process that rewrites the append-only file.
    AOF_REWRITE_CPULIST = text("aof-rewrite-cpulist", "").alias("aof_rewrite_cpulist").at_start().inert(DISK);
    /// CPUs of the process that saves.
    BGSAVE_CPULIST = text("bgsave-cpulist", "").alias("bgsave_cpulist").at_start().inert(DISK);

    // ---- memory ----

    /// Bytes that data, tables and buffers may take together; 0 sets no bound.
    MAXMEMORY = memory("maxmemory", 0, u64::MAX, "0");
    /// What to do when `maxmemory` is reached.
    MAXMEMORY_POLICY = choice("maxmemory-policy", POLICIES, "noeviction");
    /// Keys that are looked at to evict one of them.
    MAXMEMORY_SAMPLES = int("maxmemory-samples", 1, INT_MAX, "5");
    /// How much time eviction may take, 0 (least) to 100 (as much as it needs).
    MAXMEMORY_EVICTION_TENACITY = int("maxmemory-eviction-tenacity", 0, 100, "10");
    /// Bytes, or share of `maxmemory`, that all clients' buffers may take before the largest are closed; 0 sets no bound.
    MAXMEMORY_CLIENTS = Setting::new("maxmemory-clients", Kind::MemoryOrPercent, "0");
    /// How many hits it takes to raise the frequency counter; larger is slower.
    LFU_LOG_FACTOR = int("lfu-log-factor", 0, INT_MAX, "10");
    /// Minutes after which the frequency counter is lowered.
    LFU_DECAY_TIME = int("lfu-decay-time", 0, INT_MAX, "1");
    /// Effort of finding expired keys, 1 to 10.
    ACTIVE_EXPIRE_EFFORT = int("active-expire-effort", 1, 10, "1");
    /// Whether evicted values are freed in the background.
    LAZYFREE_LAZY_EVICTION = flag("lazyfree-lazy-eviction", "no").inert(FREEING);
    /// Whether expired values are freed in the background.
    LAZYFREE_LAZY_EXPIRE = flag("lazyfree-lazy-expire", "no").inert(FREEING);
    /// Whether values that a command overwrites are freed in the background.
    LAZYFREE_LAZY_SERVER_DEL = flag("lazyfree-lazy-server-del", "no").inert(FREEING);
    /// Whether DEL behaves as UNLINK.
    LAZYFREE_LAZY_USER_DEL = flag("lazyfree-lazy-user-del", "no").inert(FREEING);
    /// Whether FLUSHALL and FLUSHDB are ASYNC unless they say otherwise.
    LAZYFREE_LAZY_USER_FLUSH = flag("lazyfree-lazy-user-flush", "no").inert(FREEING);
    /// Whether tables are rehashed in idle time.
    ACTIVEREHASHING = flag("activerehashing", "yes").inert(GROWTH);
    /// Whether memory is defragmented while the server runs.
    ACTIVEDEFRAG = flag("activedefrag", "no").inert(ALLOCATOR);
    /// Least share of CPU for defragmentation.
    ACTIVE_DEFRAG_CYCLE_MIN = int("active-defrag-cycle-min", 1, 99, "1").inert(ALLOCATOR);
    /// Largest share of CPU for defragmentation.
    ACTIVE_DEFRAG_CYCLE_MAX = int("active-defrag-cycle-max", 1, 99, "25").inert(ALLOCATOR);
    /// Wasted bytes below which nothing is defragmented.
    ACTIVE_DEFRAG_IGNORE_BYTES = memory("active-defrag-ignore-bytes", 1, BYTES_MAX, "100mb").inert(ALLOCATOR);
    /// Percentage of waste below which nothing is defragmented.
    ACTIVE_DEFRAG_THRESHOLD_LOWER = int("active-defrag-threshold-lower", 0, 1000, "10").inert(ALLOCATOR);
    /// Percentage of waste at which the largest effort is made.
    ACTIVE_DEFRAG_THRESHOLD_UPPER = int("active-defrag-threshold-upper", 0, 1000, "100").inert(ALLOCATOR);
    /// Fields of one value that are looked at in one go.
    ACTIVE_DEFRAG_MAX_SCAN_FIELDS = int("active-defrag-max-scan-fields", 1, LONG_MAX, "1000").inert(ALLOCATOR);
    /// Whether jemalloc purges in a thread of its own.
    JEMALLOC_BG_THREAD = flag("jemalloc-bg-thread", "yes").inert(ALLOCATOR);

    // ---- encodings ----

    /// Fields of a hash that is stored compactly.
    HASH_MAX_LISTPACK_ENTRIES = int("hash-max-listpack-entries", 0, LONG_MAX, "512").alias("hash-max-ziplist-entries");
    /// Bytes of the largest field or value of a hash that is stored compactly.
    HASH_MAX_LISTPACK_VALUE = memory("hash-max-listpack-value", 0, BYTES_MAX, "64").alias("hash-max-ziplist-value");
    /// Size of a node of a list: elements, or -1 to -5 for 4 kb to 64 kb.
    LIST_MAX_LISTPACK_SIZE = int("list-max-listpack-size", INT_MIN, INT_MAX, "-2").alias("list-max-ziplist-size");
    /// Nodes at both ends of a list that are not compressed; 0 compresses none.
    LIST_COMPRESS_DEPTH = int("list-compress-depth", 0, INT_MAX, "0").inert(LAYOUT);
    /// Members of a set of integers that is stored compactly.
    SET_MAX_INTSET_ENTRIES = int("set-max-intset-entries", 0, LONG_MAX, "512");
    /// Members of a set that is stored compactly.
    SET_MAX_LISTPACK_ENTRIES = int("set-max-listpack-entries", 0, LONG_MAX, "128");
    /// Bytes of the largest member of a set that is stored compactly.
    SET_MAX_LISTPACK_VALUE = memory("set-max-listpack-value", 0, BYTES_MAX, "64");
    /// Members of a sorted set that is stored compactly.
    ZSET_MAX_LISTPACK_ENTRIES = int("zset-max-listpack-entries", 0, LONG_MAX, "128").alias("zset-max-ziplist-entries");
    /// Bytes of the largest member of a sorted set that is stored compactly.
    ZSET_MAX_LISTPACK_VALUE = memory("zset-max-listpack-value", 0, BYTES_MAX, "64").alias("zset-max-ziplist-value");
    /// Bytes of a HyperLogLog that is stored sparsely.
    HLL_SPARSE_MAX_BYTES = memory("hll-sparse-max-bytes", 0, BYTES_MAX, "3000");
    /// Bytes of a node of a stream.
    STREAM_NODE_MAX_BYTES = memory("stream-node-max-bytes", 0, BYTES_MAX, "4096");
    /// Entries of a node of a stream.
    STREAM_NODE_MAX_ENTRIES = int("stream-node-max-entries", 0, LONG_MAX, "100");

    // ---- watching the server ----

    /// Microseconds over which a command enters the slow log; -1 logs none, 0 all.
    SLOWLOG_LOG_SLOWER_THAN = int("slowlog-log-slower-than", -1, LONG_MAX, "10000").alias("commandlog-execution-slower-than");
    /// Entries that the slow log keeps.
    SLOWLOG_MAX_LEN = int("slowlog-max-len", 0, LONG_MAX, "128").alias("commandlog-slow-execution-max-len");
    /// Bytes over which a request enters the log of large requests; -1 logs none.
    COMMANDLOG_REQUEST_LARGER_THAN = int("commandlog-request-larger-than", -1, LONG_MAX, "1048576");
    /// Entries that the log of large requests keeps.
    COMMANDLOG_LARGE_REQUEST_MAX_LEN = int("commandlog-large-request-max-len", 0, LONG_MAX, "128");
    /// Bytes over which a reply enters the log of large replies; -1 logs none.
    COMMANDLOG_REPLY_LARGER_THAN = int("commandlog-reply-larger-than", -1, LONG_MAX, "1048576");
    /// Entries that the log of large replies keeps.
    COMMANDLOG_LARGE_REPLY_MAX_LEN = int("commandlog-large-reply-max-len", 0, LONG_MAX, "128");
    /// Milliseconds over which an event enters the latency monitor; 0 switches it off.
    LATENCY_MONITOR_THRESHOLD = int("latency-monitor-threshold", 0, LONG_MAX, "0");
    /// Whether the durations of each command are counted.
    LATENCY_TRACKING = flag("latency-tracking", "yes");
    /// Percentiles that INFO latencystats prints.
    LATENCY_TRACKING_INFO_PERCENTILES = Setting::new("latency-tracking-info-percentiles", Kind::Percentiles, "50 99 99.9");
    /// Classes of keyspace events that are published.
    NOTIFY_KEYSPACE_EVENTS = Setting::new("notify-keyspace-events", Kind::Notify, "").inert(PUBSUB);
    /// Keys that client-side caching remembers.
    TRACKING_TABLE_MAX_KEYS = int("tracking-table-max-keys", 0, LONG_MAX, "1000000").inert(TRACKING);
    /// Milliseconds after which a script that still runs lets others be answered BUSY; 0 for never.
    BUSY_REPLY_THRESHOLD = int("busy-reply-threshold", 0, LONG_MAX, "5000").alias("lua-time-limit");
    /// Whether scripts see functions that Redis declared obsolete.
    LUA_ENABLE_DEPRECATED_API = flag("lua-enable-deprecated-api", "no").at_start().hidden().inert(SCRIPTS);

    // ---- snapshots and the append-only file ----

    /// Seconds and changes after which a snapshot is written; several pairs, or empty for none.
    SAVE = Setting::new("save", Kind::Save, "").inert(DISK);
    /// File name of snapshots.
    DBFILENAME = text("dbfilename", "dump.rdb").protected().check(check::dbfilename).inert(DISK);
    /// Whether snapshots are compressed.
    RDBCOMPRESSION = flag("rdbcompression", "yes").inert(DISK);
    /// Whether snapshots end with a checksum.
    RDBCHECKSUM = flag("rdbchecksum", "yes").at_start().inert(DISK);
    /// Whether snapshots that were only for replication are deleted.
    RDB_DEL_SYNC_FILES = flag("rdb-del-sync-files", "no").inert(DISK);
    /// Whether a snapshot is synced to disk piece by piece.
    RDB_SAVE_INCREMENTAL_FSYNC = flag("rdb-save-incremental-fsync", "yes").inert(DISK);
    /// Microseconds of delay for each key saved, for tests.
    RDB_KEY_SAVE_DELAY = int("rdb-key-save-delay", INT_MIN, INT_MAX, "0").hidden().inert(DISK);
    /// Microseconds of delay for each key loaded, for tests.
    KEY_LOAD_DELAY = int("key-load-delay", INT_MIN, INT_MAX, "0").hidden().inert(DISK);
    /// Bytes loaded between two looks at the sockets.
    LOADING_PROCESS_EVENTS_INTERVAL_BYTES = int("loading-process-events-interval-bytes", 1024, INT_MAX, "2097152").hidden().inert(DISK);
    /// Whether writes are refused after a snapshot failed.
    STOP_WRITES_ON_BGSAVE_ERROR = flag("stop-writes-on-bgsave-error", "yes").inert(DISK);
    /// How thoroughly RESTORE and snapshots are checked.
    SANITIZE_DUMP_PAYLOAD = choice("sanitize-dump-payload", &["no", "yes", "clients"], "no").inert(DISK);
    /// Whether every write is logged to disk.
    APPENDONLY = flag("appendonly", "no").inert(DISK);
    /// File name of that log.
    APPENDFILENAME = text("appendfilename", "appendonly.aof").at_start().check(check::appendfilename).inert(DISK);
    /// Folder of that log.
    APPENDDIRNAME = text("appenddirname", "appendonlydir").at_start().check(check::appenddirname).inert(DISK);
    /// When that log is synced to disk.
    APPENDFSYNC = choice("appendfsync", &["everysec", "always", "no"], "everysec").inert(DISK);
    /// Whether syncing pauses while the log is rewritten.
    NO_APPENDFSYNC_ON_REWRITE = flag("no-appendfsync-on-rewrite", "no").inert(DISK);
    /// Growth in per cent after which the log is rewritten.
    AUTO_AOF_REWRITE_PERCENTAGE = int("auto-aof-rewrite-percentage", 0, INT_MAX, "100").inert(DISK);
    /// Bytes below which the log is not rewritten.
    AUTO_AOF_REWRITE_MIN_SIZE = memory("auto-aof-rewrite-min-size", 0, BYTES_MAX, "64mb").inert(DISK);
    /// Whether a log that ends in the middle of a command is loaded.
    AOF_LOAD_TRUNCATED = flag("aof-load-truncated", "yes").inert(DISK);
    /// Whether a rewritten log begins with a snapshot.
    AOF_USE_RDB_PREAMBLE = flag("aof-use-rdb-preamble", "yes").inert(DISK);
    /// Whether the log holds time stamps.
    AOF_TIMESTAMP_ENABLED = flag("aof-timestamp-enabled", "no").inert(DISK);
    /// Whether a rewritten log is synced to disk piece by piece.
    AOF_REWRITE_INCREMENTAL_FSYNC = flag("aof-rewrite-incremental-fsync", "yes").inert(DISK);
    /// Whether old parts of the log are kept.
    AOF_DISABLE_AUTO_GC = flag("aof-disable-auto-gc", "no").inert(DISK);

    // ---- replication ----

    /// Host and port of the server to follow, or `no one`.
    REPLICAOF = Setting::new("replicaof", Kind::Words { max: 2 }, "").alias("slaveof").at_start().check(check::replicaof).inert(REPLICATION);
    /// Password for the server to follow.
    MASTERAUTH = text("masterauth", "").sensitive().inert(REPLICATION);
    /// User name for the server to follow.
    MASTERUSER = text("masteruser", "").inert(REPLICATION);
    /// Whether a replica answers while it has no link to its master.
    REPLICA_SERVE_STALE_DATA = flag("replica-serve-stale-data", "yes").alias("slave-serve-stale-data").inert(REPLICATION);
    /// Whether a replica refuses writes.
    REPLICA_READ_ONLY = flag("replica-read-only", "yes").alias("slave-read-only").inert(REPLICATION);
    /// Whether a replica leaves eviction to its master.
    REPLICA_IGNORE_MAXMEMORY = flag("replica-ignore-maxmemory", "yes").alias("slave-ignore-maxmemory").inert(REPLICATION);
    /// Whether a replica empties itself in the background.
    REPLICA_LAZY_FLUSH = flag("replica-lazy-flush", "no").alias("slave-lazy-flush").inert(REPLICATION);
    /// Whether a replica goes on after an error of the disk.
    REPLICA_IGNORE_DISK_WRITE_ERRORS = flag("replica-ignore-disk-write-errors", "no").inert(REPLICATION);
    /// Rank among replicas in a failover; 0 is never promoted.
    REPLICA_PRIORITY = int("replica-priority", 0, INT_MAX, "100").alias("slave-priority").inert(REPLICATION);
    /// Whether Sentinel shows this replica.
    REPLICA_ANNOUNCED = flag("replica-announced", "yes").inert(REPLICATION);
    /// Address by which a replica presents itself.
    REPLICA_ANNOUNCE_IP = text("replica-announce-ip", "").alias("slave-announce-ip").inert(REPLICATION);
    /// Port by which a replica presents itself.
    REPLICA_ANNOUNCE_PORT = int("replica-announce-port", 0, PORT_MAX, "0").alias("slave-announce-port").inert(REPLICATION);
    /// Replicas that must be up for a write to be taken.
    MIN_REPLICAS_TO_WRITE = int("min-replicas-to-write", 0, INT_MAX, "0").alias("min-slaves-to-write").inert(REPLICATION);
    /// Seconds since a replica's last word for it to count as up.
    MIN_REPLICAS_MAX_LAG = int("min-replicas-max-lag", 0, INT_MAX, "10").alias("min-slaves-max-lag").inert(REPLICATION);
    /// Bytes of changes kept for replicas that come back.
    REPL_BACKLOG_SIZE = memory("repl-backlog-size", 1, BYTES_MAX, "1mb").check(check::repl_backlog_size).inert(REPLICATION);
    /// Seconds without replicas after which these are given up.
    REPL_BACKLOG_TTL = int("repl-backlog-ttl", 0, LONG_MAX, "3600").inert(REPLICATION);
    /// Seconds after which a silent link is given up.
    REPL_TIMEOUT = int("repl-timeout", 1, INT_MAX, "60").inert(REPLICATION);
    /// Seconds between two signs of life to replicas.
    REPL_PING_REPLICA_PERIOD = int("repl-ping-replica-period", 1, INT_MAX, "10").alias("repl-ping-slave-period").inert(REPLICATION);
    /// Whether links to replicas wait to fill packets.
    REPL_DISABLE_TCP_NODELAY = flag("repl-disable-tcp-nodelay", "no").inert(REPLICATION);
    /// Whether a snapshot goes to replicas without a file.
    REPL_DISKLESS_SYNC = flag("repl-diskless-sync", "yes").inert(REPLICATION);
    /// Seconds to wait for more replicas before such a snapshot.
    REPL_DISKLESS_SYNC_DELAY = int("repl-diskless-sync-delay", 0, INT_MAX, "5").inert(REPLICATION);
    /// Replicas for which that wait ends early; 0 waits always.
    REPL_DISKLESS_SYNC_MAX_REPLICAS = int("repl-diskless-sync-max-replicas", 0, INT_MAX, "0").inert(REPLICATION);
    /// Whether a replica loads a snapshot without a file.
    REPL_DISKLESS_LOAD = choice("repl-diskless-load", &["disabled", "on-empty-db", "swapdb"], "disabled").inert(REPLICATION);
    /// What to do when a replicated command fails.
    PROPAGATION_ERROR_BEHAVIOR = choice("propagation-error-behavior", &["ignore", "panic", "panic-on-replicas"], "ignore").inert(REPLICATION);

    // ---- cluster ----

    /// Whether the common port is a node of a cluster of machines; `core-ports` is the cluster of cores.
    CLUSTER_ENABLED = flag("cluster-enabled", "no").at_start().inert("the common port is standalone; `core-ports` opens the cluster face");
    /// File in which a node keeps the cluster's state.
    CLUSTER_CONFIG_FILE = text("cluster-config-file", "nodes.conf").at_start().inert(BUS);
    /// Milliseconds after which a silent node counts as failed.
    CLUSTER_NODE_TIMEOUT = int("cluster-node-timeout", 0, LONG_MAX, "15000").inert(BUS);
    /// Port of the cluster bus; 0 takes the port plus 10000.
    CLUSTER_PORT = int("cluster-port", 0, PORT_MAX, "0").at_start().inert(BUS);
    /// Address by which the cores present themselves; empty is the one the client came in by.
    CLUSTER_ANNOUNCE_IP = text("cluster-announce-ip", "");
    /// Host name by which the cores present themselves.
    CLUSTER_ANNOUNCE_HOSTNAME = text("cluster-announce-hostname", "").check(check::hostname);
    /// Name of this node for people.
    CLUSTER_ANNOUNCE_HUMAN_NODENAME = text("cluster-announce-human-nodename", "").check(check::nodename).inert(BUS);
    /// First port by which the cores present themselves, one a core; 0 is their own.
    CLUSTER_ANNOUNCE_PORT = int("cluster-announce-port", 0, PORT_MAX, "0");
    /// TLS port by which a node presents itself.
    CLUSTER_ANNOUNCE_TLS_PORT = int("cluster-announce-tls-port", 0, PORT_MAX, "0").inert(TLS);
    /// Bus port by which a node presents itself.
    CLUSTER_ANNOUNCE_BUS_PORT = int("cluster-announce-bus-port", 0, PORT_MAX, "0").inert(BUS);
    /// What CLUSTER SLOTS gives as a node's address.
    CLUSTER_PREFERRED_ENDPOINT_TYPE = choice("cluster-preferred-endpoint-type", &["ip", "hostname", "unknown-endpoint"], "ip");
    /// Whether the whole cluster stops when slots have no owner.
    CLUSTER_REQUIRE_FULL_COVERAGE = flag("cluster-require-full-coverage", "yes").inert(BUS);
    /// Whether a node answers reads while the cluster is down.
    CLUSTER_ALLOW_READS_WHEN_DOWN = flag("cluster-allow-reads-when-down", "no").inert(BUS);
    /// Whether a node serves sharded channels while the cluster is down.
    CLUSTER_ALLOW_PUBSUBSHARD_WHEN_DOWN = flag("cluster-allow-pubsubshard-when-down", "yes").inert(BUS);
    /// Whether replicas move to masters without one.
    CLUSTER_ALLOW_REPLICA_MIGRATION = flag("cluster-allow-replica-migration", "yes").inert(BUS);
    /// Replicas that a master keeps when others move away.
    CLUSTER_MIGRATION_BARRIER = int("cluster-migration-barrier", 0, INT_MAX, "1").inert(BUS);
    /// How old a replica's data may be for it to be promoted.
    CLUSTER_REPLICA_VALIDITY_FACTOR = int("cluster-replica-validity-factor", 0, INT_MAX, "10").alias("cluster-slave-validity-factor").inert(BUS);
    /// Whether a replica is never promoted.
    CLUSTER_REPLICA_NO_FAILOVER = flag("cluster-replica-no-failover", "no").alias("cluster-slave-no-failover").inert(BUS);
    /// Bytes that may wait on a link of the cluster bus; 0 sets no bound.
    CLUSTER_LINK_SENDBUF_LIMIT = memory("cluster-link-sendbuf-limit", 0, u64::MAX, "0").inert(BUS);

    // ---- TLS ----

    /// Port for TLS; 0 opens none.
    TLS_PORT = int("tls-port", 0, PORT_MAX, "0").inert(TLS);
    /// File of the server's certificate.
    TLS_CERT_FILE = text("tls-cert-file", "").inert(TLS);
    /// File of the certificate's key.
    TLS_KEY_FILE = text("tls-key-file", "").inert(TLS);
    /// Password of the key.
    TLS_KEY_FILE_PASS = text("tls-key-file-pass", "").sensitive().inert(TLS);
    /// File of the certificate for connections to others.
    TLS_CLIENT_CERT_FILE = text("tls-client-cert-file", "").inert(TLS);
    /// File of that certificate's key.
    TLS_CLIENT_KEY_FILE = text("tls-client-key-file", "").inert(TLS);
    /// Password of that key.
    TLS_CLIENT_KEY_FILE_PASS = text("tls-client-key-file-pass", "").sensitive().inert(TLS);
    /// File of Diffie-Hellman parameters.
    TLS_DH_PARAMS_FILE = text("tls-dh-params-file", "").inert(TLS);
    /// File of trusted authorities.
    TLS_CA_CERT_FILE = text("tls-ca-cert-file", "").inert(TLS);
    /// Folder of trusted authorities.
    TLS_CA_CERT_DIR = text("tls-ca-cert-dir", "").inert(TLS);
    /// Whether clients must have a certificate.
    TLS_AUTH_CLIENTS = choice("tls-auth-clients", &["no", "yes", "optional"], "yes").inert(TLS);
    /// Whether links to a master use TLS.
    TLS_REPLICATION = flag("tls-replication", "no").inert(TLS);
    /// Whether the cluster bus uses TLS.
    TLS_CLUSTER = flag("tls-cluster", "no").inert(TLS);
    /// Versions of TLS that are spoken.
    TLS_PROTOCOLS = text("tls-protocols", "").inert(TLS);
    /// Ciphers up to TLS 1.2.
    TLS_CIPHERS = text("tls-ciphers", "").inert(TLS);
    /// Cipher suites of TLS 1.3.
    TLS_CIPHERSUITES = text("tls-ciphersuites", "").inert(TLS);
    /// Whether the server's order of ciphers counts.
    TLS_PREFER_SERVER_CIPHERS = flag("tls-prefer-server-ciphers", "no").inert(TLS);
    /// Whether sessions can be resumed.
    TLS_SESSION_CACHING = flag("tls-session-caching", "yes").inert(TLS);
    /// Sessions that are remembered.
    TLS_SESSION_CACHE_SIZE = int("tls-session-cache-size", 0, INT_MAX, "20480").inert(TLS);
    /// Seconds for which a session is remembered.
    TLS_SESSION_CACHE_TIMEOUT = int("tls-session-cache-timeout", 0, INT_MAX, "300").inert(TLS);

    // ---- our own ----

    /// Number of cores that serve; 0 takes what the cpuset and the cgroup's quota allow.
    CORES = int("cores", 0, MAX_CORES as i64, "0").at_start();
    /// First of one port a core, on each of which that core is a cluster node; 0 opens none.
    CORE_PORTS = int("core-ports", 0, PORT_MAX, "0").at_start();
    /// Requests whose table lines are fetched ahead of their execution; 0 fetches none.
    PREFETCH_BATCH = int("prefetch-batch", 0, 128, "16");
    /// Form of log lines: as Redis writes them, or one JSON object a line.
    LOG_FORMAT = choice("log-format", &["text", "json"], "text").at_start();
}

//! Error replies of the commands around scripts, as Redis 7.0 words them, without `-`.

/// EVALSHA of a script that is not there.
pub const NO_SCRIPT: &str = "NOSCRIPT No matching script. Please use EVAL.";
/// SCRIPT KILL, FUNCTION KILL without a script under way.
pub const NOT_BUSY: &str = "NOTBUSY No scripts in execution right now.";
/// Any command while a script has run for long.
pub const BUSY_SCRIPT: &str =
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
/// The same while a function has.
pub const BUSY_FUNCTION: &str =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
/// FCALL of a function that is not there.
pub const NO_FUNCTION: &str = "ERR Function not found";
/// FUNCTION DELETE of a library that is not there.
pub const NO_LIBRARY: &str = "ERR Library not found";
/// EVAL_RO of a script, FCALL_RO of a function that is not declared to write nothing.
pub const WRITER_BY_RO: &str = "ERR Can not execute a script with write flag using *_ro command.";
/// A write by a script that declared to write nothing, or was run by a `_RO` command.
pub const WRITE_IN_RO: &str = "ERR Write commands are not allowed from read-only scripts.";
/// `redis.call` of a command that does not exist.
pub const UNKNOWN_COMMAND: &str = "ERR Unknown Redis command called from script";
/// `redis.call` with too few or too many arguments.
pub const WRONG_ARITY: &str = "ERR Wrong number of args calling Redis command from script";
/// `redis.call` of a command that scripts may not run.
pub const NOT_ALLOWED: &str = "ERR This Redis command is not allowed from script";
/// A number of keys that is no number, in FCALL.
pub const BAD_KEY_COUNT: &str = "ERR Bad number of keys provided";
/// More keys than arguments.
pub const TOO_MANY_KEYS: &str = "ERR Number of keys can't be greater than number of args";
/// Less than no keys.
pub const NEGATIVE_KEYS: &str = "ERR Number of keys can't be negative";
/// SCRIPT FLUSH with another word.
pub const SCRIPT_FLUSH: &str = "ERR SCRIPT FLUSH only support SYNC|ASYNC option";
/// FUNCTION FLUSH with another word.
pub const FUNCTION_FLUSH: &str = "ERR FUNCTION FLUSH only supports SYNC|ASYNC option";
/// SCRIPT DEBUG with another word.
pub const SCRIPT_DEBUG: &str = "ERR Use SCRIPT DEBUG YES/SYNC/NO";
/// SCRIPT DEBUG behind other requests, or within EXEC.
pub const SCRIPT_DEBUG_LATE: &str = "ERR SCRIPT DEBUG must be called outside a pipeline";
/// FUNCTION LOAD of a library whose body does not come to its end.
pub const LOAD_TIMEOUT: &str = "ERR Error registering functions: ERR FUNCTION LOAD timeout";
/// FUNCTION RESTORE with another policy.
pub const RESTORE_POLICY: &str =
    "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.";
/// FUNCTION LIST LIBRARYNAME without a pattern.
pub const NO_LIBRARY_NAME: &str = "ERR library name argument was not given";
/// SCRIPT KILL of a script that has written.
pub const UNKILLABLE: &str = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.";
/// What a script that was killed ends with.
pub const KILLED_SCRIPT: &str = "ERR Script killed by user with SCRIPT KILL...";

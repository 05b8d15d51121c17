// Package sqlite is the store plugin "store-sqlite": one SQLite database, one
// writer at a time, readers beside it, on modernc.org/sqlite.
//
// # Who may write
//
// The table ramet_meta has one row with the epoch and its owner. [sdk.DB]'s
// Advance raises the epoch by compare-and-set in an immediate transaction, and
// each later write compares the epoch inside its own transaction. SQLite admits
// one writer (https://www.sqlite.org/isolation.html), so the comparison and the
// write are one step: a stopped or forgotten primary cannot commit.
//
// # One transaction for many requests
//
// Apply runs all its requests in one BEGIN IMMEDIATE, each in a savepoint
// (https://www.sqlite.org/lang_savepoint.html), and pays for one COMMIT. What
// would let one request harm its neighbours is handled here:
//
//   - A statement's error rolls back to the savepoint.
//   - INSERT OR ROLLBACK and RAISE(ROLLBACK) end the whole transaction. The
//     rollback hook sees it, and the others run again without that request.
//   - Deferred foreign keys would fail the COMMIT of all. The connection's count of
//     open violations (SQLITE_DBSTATUS_DEFERRED_FKS) is asked after each request.
//   - A context would interrupt a write, which rolls everything back
//     (https://www.sqlite.org/c3ref/interrupt.html): requests never see one.
//   - No space, or an I/O error, undoes the group and is ErrUnavailable; at COMMIT the
//     outcome is unknown and the handle writes no more.
//
// # Exactly once
//
// ramet_writes has a row per write id with its result, written in the write's
// own transaction. A sender's floor says which ids are answered; it is kept in
// ramet_floors, the rows at and below it are deleted, and such an id never runs.
//
// # Changes
//
// The pre-update hook (https://www.sqlite.org/c3ref/preupdate_blobwrite.html)
// tells which rows change. They go to ramet_changes in the same transaction, so
// positions survive a failover. Shadow tables of virtual tables are left out; DDL
// and what other programs write are not seen.
//
// # What SQL may do
//
// SQLite's authorizer (https://www.sqlite.org/c3ref/set_authorizer.html) judges
// each text while it compiles: it tells reads from writes and refuses what one
// shared connection cannot keep apart, like ATTACH, TEMP objects and most PRAGMAs
// that set something. Tuning PRAGMAs (cache_size, busy_timeout, synchronous and
// the like) are accepted and have no effect; user_version, application_id,
// defer_foreign_keys and optimize work as writes.
//
// # Files
//
// The database is in WAL mode (https://www.sqlite.org/wal.html); readers open it
// with mode=ro. Nothing here opens the file by other means than SQLite, since
// closing it would drop locks (https://www.sqlite.org/howtocorrupt.html#posix).
package sqlite

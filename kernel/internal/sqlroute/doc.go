// Package sqlroute is the database/sql driver behind the one *sql.DB that an
// application gets. A text that reads runs on the local handle; one that writes
// goes to the primary; an interactive transaction holds the primary's writer.
// Where that is, and that it moves, is the [Backend]'s business: a connection of
// this driver is a session, not a socket, and survives every role change.
//
// # Routing
//
// Each text is classified once by [Backend.Prepare], which compiles it, and the
// answer is kept per connection. Control of transactions is recognised here.
//
//   - A read goes to [Backend.Read], with Exec too (no row counts as affected).
//   - A write goes to [Backend.Write], with Query too: INSERT ... RETURNING serves
//     its rows. A text of several statements that writes goes there whole and is
//     atomic, unlike with a bare driver, which commits each statement by itself.
//   - A refused text gives [sdk.ErrUnsupported] with the reason.
//   - Inside a transaction all of it goes to that transaction.
//
// # Transactions
//
// BeginTx takes the writer at once, as BEGIN IMMEDIATE does, so it never fails
// later with SQLITE_BUSY_SNAPSHOT. With TxOptions.ReadOnly it is a local snapshot
// and takes nothing; a write in it gives [sdk.ErrReadOnly]. Isolation is
// serializable, so every level up to it is accepted; sql.LevelLinearizable is
// accepted for writing and refused for a local snapshot.
//
// On a pinned sql.Conn the texts BEGIN [DEFERRED|IMMEDIATE|EXCLUSIVE], COMMIT, END
// and ROLLBACK work too, all kinds of BEGIN alike. SAVEPOINT, RELEASE and ROLLBACK
// TO pass to the transaction; SAVEPOINT outside of one starts one, which the
// RELEASE of that outermost savepoint commits. A script with such texts, or with a PRAGMA below, runs
// statement by statement. A transaction that was begun as text and not ended is
// rolled back when its connection returns to the pool, so BEGIN without a pinned
// connection has no effect. BEGIN and COMMIT inside a sql.Tx are refused. Rows of a
// transaction must be read before COMMIT as text ends it; later they give
// [sdk.ErrClosed].
//
// A transaction whose primary was lost, or that the engine ended (INSERT OR
// ROLLBACK), gives [sdk.ErrTxLost] until it is rolled back: nothing that follows is
// committed by accident.
//
// # What belongs to a session
//
// The writer is shared, so what SQLite keeps per connection is kept per session
// here: Result.LastInsertId, last_insert_rowid() and changes(), whose values are
// put into the text before it is sent, so a statement that inserts several rows
// sees one value. A script with them runs statement by statement, in a transaction
// of its own. Stored views that call them are not supported: there they are the
// connection's. total_changes() works inside a writing transaction, for
// differences, and is refused outside with [sdk.ErrUnsupported].
//
// PRAGMA foreign_keys, recursive_triggers, ignore_check_constraints and
// legacy_alter_table are the session's too and stay so, as with a bare connection,
// when it returns to the pool. While one differs from the workspace's, each write
// has a transaction of its own that has it.
//
// An insert that gave no new rowid (an upsert that updated, a WITHOUT ROWID table),
// that gave rowid 0, or that failed leaves LastInsertId as it was.
//
// # Errors
//
// driver.ErrBadConn is never returned, because database/sql would answer it by
// running the write again under another write id. A context that ended before
// anything was sent gives the context's error; afterwards the backend decides
// what is known.
package sqlroute

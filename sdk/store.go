package sdk

import (
	"context"
	"database/sql/driver"
	"time"
)

// Store opens the database. Safe for concurrent use.
type Store interface {
	// ResourceKey names what o would open, without opening or creating it: equal
	// for every path to the same database, different otherwise.
	ResourceKey(ctx context.Context, o OpenOptions) (string, error)
	// Open opens the database. As [Secondary] it is opened read-only and must exist:
	// [ErrUnavailable] if there is none yet (wait for the primary). As [Primary] it is
	// created when missing, the meta tables are made, and it can be written after
	// Advance; until then, and in Close, it must not stand in the way of another owner:
	// an instance that may be promoted opens it ahead. [ErrCorrupt]: not a database of this engine. [ErrIncompatible]: made by a
	// newer version.
	Open(ctx context.Context, o OpenOptions) (DB, error)
}

// Durability says what an acknowledged write survives.
type Durability string

// The durabilities. The zero value means DurabilityFull.
const (
	DurabilityFull    Durability = "full"    // power loss
	DurabilityProcess Durability = "process" // death of every process, not power loss
)

// OpenOptions says what to open.
type OpenOptions struct {
	Path            string
	Role            Role // Primary: may write after Advance; Secondary: read-only
	Durability      Durability
	ChangeLog       bool          // write the change log
	ChangeRetention int           // changes kept; 0: the plugin's default
	OutcomeTTL      time.Duration // how long results of writes are kept for late questions; 0: 7 days
}

// DB is an open database. Close waits for running calls. Safe for concurrent use,
// but Apply, Begin for writing and Advance are called by one goroutine at a time:
// the kernel owns the one queue of writers.
type DB interface {
	// Status reads the meta data as last committed by anybody.
	Status(ctx context.Context) (StoreStatus, error)
	// Advance makes the caller the owner, by compare-and-set in one immediate
	// transaction: it fails with [ErrFenced] if the stored epoch is not f.Observed, and
	// else stores and returns max(f.AtLeast, stored+1). From then on every write with
	// a lower epoch fails, also one that is in flight in another process.
	// [ErrIncompatible] if f.SchemaVersion is below the store's; [ErrUnavailable] if a
	// writer holds the database until ctx ends (nothing changed); [ErrClosed] if the
	// database was replaced since it was opened.
	Advance(ctx context.Context, f Fence) (Grant, error)
	// SetSchema stores the version that migrations reached, checked against epoch.
	SetSchema(ctx context.Context, epoch uint64, version int64) error
	// Apply commits requests. Each is atomic and fenced by itself and has its own
	// result, in the same order; how many share a transaction is the store's choice. It
	// never waits to gather more. A statement's error is in its Result.Err. The
	// error of Apply concerns all of them: [ErrFenced] (nothing applied: stop writing),
	// [ErrUnavailable] (nothing applied), *[OutcomeUnknownError] (COMMIT failed: close
	// this DB). ctx is looked at before the transaction begins, never inside it.
	Apply(ctx context.Context, epoch uint64, requests []Request) ([]Result, error)
	// Outcome says what became of a write: its result if applied (Replayed set),
	// [ErrUnavailable] if it was not applied, [ErrResultGone] if it was applied, or may
	// have been, and its result is gone. Checked against epoch in one transaction.
	Outcome(ctx context.Context, epoch uint64, id WriteID) (Result, error)
	// Begin starts an interactive transaction. For writing it takes the writer and
	// checks epoch inside; read-only it takes a snapshot and ignores epoch.
	Begin(ctx context.Context, epoch uint64, o TxOptions) (Tx, error)
	// Prepare compiles a text, without running it, and says what it is. *[SQLError] if
	// it does not compile. Cheap for a text seen before.
	Prepare(ctx context.Context, text string) (Prepared, error)
	// Query reads. [ErrReadOnly] if the text writes.
	Query(ctx context.Context, q Query) (Rows, error)
	// Changes reads the change log after position from (zero: from the oldest kept).
	Changes(ctx context.Context, from Position) (Feed, error)
	// Snapshot reads the whole content as changes. [ErrUnsupported] without CapSnapshot.
	Snapshot(ctx context.Context) (Feed, error)
	// Close releases everything and waits. Idempotent. [ErrUnclean] if ctx ends first.
	Close(ctx context.Context) error
}

// StoreStatus is the meta data of a store.
type StoreStatus struct {
	Workspace     string   // UUID of the workspace
	Lineage       string   // changes when the content was replaced
	Epoch         uint64   // highest epoch granted; 0: none
	Owner         Record   // who was granted it
	SchemaVersion int64    // as set by SetSchema; 0: never
	Oldest        Position // a feed from here has no gap
	Newest        Position // of the last committed change
	Engine        string   // for people, like "SQLite 3.53.0"
	Warnings      []string // what an operator should know, like a second SQLite library
}

// Fence is an attempt to become owner.
type Fence struct {
	Observed      uint64 // the epoch read before, from Status
	AtLeast       uint64 // the smallest epoch to grant; 0: none
	RecordEpoch   uint64 // highest epoch known from the lock's record; above the store's: the store was restored
	RecordLineage string // of that record; "" : unknown
	Owner         Record // who asks
	SchemaVersion int64  // what the caller's program declares; 0: nothing
}

// Grant is a won epoch.
type Grant struct {
	Epoch         uint64
	Lineage       string // new if the content is not the one last served
	Workspace     string // UUID; new if the database was copied from another place
	SchemaVersion int64  // stored; migrations are due if it differs from the declared one
}

// WriteID names one logical write. The zero value means none: the write is not
// recorded and must not be resent.
type WriteID struct {
	Incarnation string // 32 hex digits, drawn at Bootstrap
	Sequence    uint64 // from 1
}

// Request is one atomic write.
type Request struct {
	ID         WriteID
	Floor      uint64 // every sequence of ID.Incarnation at or below is answered; 0: none
	Lineage    string // of the store it was meant for; "": any. Another one gives ErrOutcomeUnknown
	Statements []Statement
}

// Statement is a text with its arguments. Values are those of
// [database/sql/driver.Value].
type Statement struct {
	SQL      string
	Args     []driver.NamedValue
	WantRows bool // keep the rows it returns, as RETURNING gives
}

// Result is what a request, or a statement in a transaction, did. The rows are of
// its last statement.
type Result struct {
	RowsAffected int64 // by its last INSERT, UPDATE or DELETE
	LastInsertID int64 // the last rowid that the request, or the transaction until now, gave to a new row; 0: none
	Columns      []Column
	Rows         [][]driver.Value
	Position     Position // of its last change; zero if it changed nothing or no log is kept
	Replayed     bool     // it had been applied before
	Err          error    // *SQLError, ErrResultGone, ErrOutcomeUnknown; nil: applied
}

// Column describes a column.
type Column struct {
	Name     string
	DeclType string // as declared; "" for an expression
}

// Kind is what a text is.
type Kind uint8

// The kinds.
const (
	KindRead    Kind = iota // only reads
	KindWrite               // changes the database
	KindControl             // BEGIN, COMMIT, ROLLBACK, SAVEPOINT, RELEASE
	KindRefused             // cannot be routed; Prepared.Reason says why
)

// Prepared describes a text.
type Prepared struct {
	Kind       Kind
	Statements int  // how many
	Params     int  // how many it takes; -1: unknown (several statements)
	Returns    bool // its last statement returns rows
	Reason     string
}

// ReadLevel says how fresh a read must be. A level the store lacks is refused with
// [ErrUnsupported], never weakened.
type ReadLevel uint8

// The levels.
const (
	ReadLocal        ReadLevel = iota // committed, and never older than what this session saw
	ReadLinearizable                  // the epoch is checked in the read's own transaction
)

// Query is a read.
type Query struct {
	Statement Statement
	Level     ReadLevel
	Epoch     uint64 // with ReadLinearizable
}

// Rows is the result of a read. One goroutine at a time; close it.
type Rows interface {
	// Columns describes the rows. No I/O.
	Columns() []Column
	// Next returns the next block of about 64 KiB, or io.EOF. The block is the
	// caller's.
	Next(ctx context.Context) (Block, error)
	// Close frees the rows. Idempotent.
	Close() error
}

// Block is some rows.
type Block struct {
	Rows [][]driver.Value
	Last bool // nothing follows: Next need not be called again
}

// TxOptions says what transaction to begin.
type TxOptions struct {
	ReadOnly bool
	Idle     time.Duration // longest pause between calls; enforced by the kernel; 0: its default
	Total    time.Duration // longest life; likewise

	// Settings are what shall hold in this transaction instead of what holds for the
	// whole workspace: set before it begins and back when it ended, so nobody else
	// sees them. A store that does not know one refuses with [ErrUnsupported]. Of no
	// effect with ReadOnly.
	Settings []Setting
}

// Setting is a switch of the engine, such as SQLite's PRAGMA foreign_keys.
type Setting struct {
	Name string // in lower case
	On   bool
}

// Tx is an interactive transaction. One goroutine at a time.
type Tx interface {
	// Exec runs a statement. *[SQLError] leaves the transaction open unless the engine
	// ended it; then, and whenever it was lost, it returns [ErrTxLost] from then on.
	Exec(ctx context.Context, s Statement) (Result, error)
	// Query reads inside the transaction.
	Query(ctx context.Context, s Statement) (Rows, error)
	// Commit ends it. id, if not zero, is recorded just before, so that
	// [DB.Outcome] can tell. *[SQLError]: a constraint prevents it, and the transaction
	// is still open: mend it and commit again, or roll it back. *[OutcomeUnknownError]
	// if COMMIT failed for another reason. After any other error it is over.
	Commit(ctx context.Context, r Request) (Result, error)
	// Rollback ends it without effect. Idempotent, also after Commit.
	Rollback(ctx context.Context) error
}

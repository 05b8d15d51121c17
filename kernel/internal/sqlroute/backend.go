package sqlroute

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"

	"github.com/ramet-io/ramet/sdk"
)

// Backend is what the routed handle runs on; the kernel implements it, for any
// role. Safe for concurrent use. A context bounds the call.
type Backend interface {
	// Prepare says what a text is. It compiles it locally and never runs it.
	// *[sdk.SQLError] if it does not compile. Cheap for a text seen before.
	Prepare(ctx context.Context, text string) (sdk.Prepared, error)
	// Read reads locally, from a fresh snapshot that holds everything this instance
	// was told is committed.
	Read(ctx context.Context, s sdk.Statement) (Reading, error)
	// Write runs the statements on the primary, atomically and exactly once.
	Write(ctx context.Context, s []sdk.Statement) (sdk.Result, error)
	// Begin starts an interactive transaction: read-only on a local snapshot, else
	// on the primary, holding its writer.
	Begin(ctx context.Context, o sdk.TxOptions) (sdk.Tx, error)
}

// Reading is a read whose first rows are there. Most reads end with them, and then
// nothing more of it is kept.
type Reading struct {
	Columns []sdk.Column
	First   sdk.Block
	Rest    sdk.Rows // what follows First, to be closed; nil: nothing
}

// First takes the first block of rows, and closes them if it is all or there is none.
func First(ctx context.Context, rows sdk.Rows) (Reading, error) {
	r := Reading{Columns: rows.Columns()}
	var err error
	if r.First, err = rows.Next(ctx); errors.Is(err, io.EOF) {
		r.First, err = sdk.Block{Last: true}, nil
	}
	if err != nil {
		_ = rows.Close() // the error that counts came before
		return Reading{}, err
	}
	if r.First.Last { // free the reader now: the caller may keep the rows open for long
		return r, rows.Close()
	}
	r.Rest = rows
	return r, nil
}

// maxIdle is how many idle sessions the pool keeps. A session is a few hundred
// bytes and its cache of texts, so there is no reason to be thrifty as the default
// of 2 is.
const maxIdle = 32

// Open returns a handle that runs on b. It is safe for concurrent use and does no
// I/O. Closing it ends its transactions and does not close b.
func Open(b Backend) *sql.DB {
	db := sql.OpenDB(&connector{b})
	db.SetMaxIdleConns(maxIdle)
	return db
}

// connector makes sessions.
type connector struct{ b Backend }

var _ driver.Connector = (*connector)(nil)

// Connect returns a new session. No I/O.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &conn{b: c.b, plans: make(map[string]*plan)}, nil
}

// Driver returns a driver that cannot open anything: there is no data source name.
func (c *connector) Driver() driver.Driver { return noDriver{} }

type noDriver struct{}

// Open refuses.
func (noDriver) Open(string) (driver.Conn, error) {
	return nil, errors.New("sqlroute: opened by sqlroute.Open only")
}

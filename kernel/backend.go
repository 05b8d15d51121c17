package kernel

import (
	"context"
	"fmt"

	"github.com/ramet-io/ramet/kernel/internal/forward"
	"github.com/ramet-io/ramet/kernel/internal/sqlroute"
	"github.com/ramet-io/ramet/sdk"
)

// routed is what Instance.DB runs on: reads here, writes at the primary.
type routed struct {
	reader *reader
	client *forward.Client
}

func (b routed) Prepare(ctx context.Context, text string) (sdk.Prepared, error) {
	return b.reader.Prepare(ctx, text)
}

func (b routed) Read(ctx context.Context, s sdk.Statement) (sqlroute.Reading, error) {
	return b.reader.Query(ctx, sdk.Query{Statement: s})
}

func (b routed) Write(ctx context.Context, s []sdk.Statement) (sdk.Result, error) {
	return b.client.Write(ctx, s)
}

func (b routed) Begin(ctx context.Context, o sdk.TxOptions) (sdk.Tx, error) {
	if o.ReadOnly {
		return b.reader.Begin(ctx, o)
	}
	return b.client.Begin(ctx, o)
}

// local is what Instance.LocalDB runs on: it never writes.
type local struct{ routed }

func (b local) Write(context.Context, []sdk.Statement) (sdk.Result, error) {
	return sdk.Result{}, fmt.Errorf("%w: LocalDB only reads; use Instance.DB", sdk.ErrReadOnly)
}

func (b local) Begin(ctx context.Context, o sdk.TxOptions) (sdk.Tx, error) {
	return b.reader.Begin(ctx, o)
}

// migrating is what Config.Migrate's handle runs on: the new primary's own
// writer, before it serves.
type migrating struct {
	db     sdk.DB
	writer *forward.Writer
}

func (b migrating) Prepare(ctx context.Context, text string) (sdk.Prepared, error) {
	return b.db.Prepare(ctx, text)
}

func (b migrating) Read(ctx context.Context, s sdk.Statement) (sqlroute.Reading, error) {
	rows, err := b.db.Query(ctx, sdk.Query{Statement: s})
	if err != nil {
		return sqlroute.Reading{}, err
	}
	return sqlroute.First(ctx, rows)
}

func (b migrating) Write(ctx context.Context, s []sdk.Statement) (sdk.Result, error) {
	r, err := b.writer.Apply(ctx, sdk.Request{Statements: s})
	if err == nil {
		err = r.Err
	}
	return r, err
}

func (b migrating) Begin(ctx context.Context, o sdk.TxOptions) (sdk.Tx, error) {
	return b.writer.Begin(ctx, o)
}

package remote

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

type nearStore struct{ near }

func (s nearStore) ResourceKey(ctx context.Context, o sdk.OpenOptions) (string, error) {
	o.Path = absolute(o.Path)
	return ask(ctx, s.near, opStoreResourceKey, 0, o, wire.AppendOpenOptions, decodeText)
}

func (s nearStore) Open(ctx context.Context, o sdk.OpenOptions) (sdk.DB, error) {
	o.Path = absolute(o.Path)
	_, n, err := obtain(ctx, s.near, opStoreOpen, 0, o, wire.AppendOpenOptions, decodeNone)
	if err != nil {
		return nil, err
	}
	return nearDB{n}, nil
}

// absolute makes a path mean the same in the plugin's process, whose working
// directory may be another one.
func absolute(path string) string {
	if path == "" {
		return path
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

type nearDB struct{ near }

func (d nearDB) Status(ctx context.Context) (sdk.StoreStatus, error) {
	return ask(ctx, d.near, opDBStatus, 0, nil, appendRaw, wire.DecodeStoreStatus)
}

func (d nearDB) Advance(ctx context.Context, f sdk.Fence) (sdk.Grant, error) {
	return ask(ctx, d.near, opDBAdvance, 0, f, wire.AppendFence, wire.DecodeGrant)
}

func (d nearDB) SetSchema(ctx context.Context, epoch uint64, version int64) error {
	_, err := ask(ctx, d.near, opDBSetSchema, epoch, version, appendVersion, decodeNone)
	return err
}

func (d nearDB) Apply(ctx context.Context, epoch uint64, requests []sdk.Request) ([]sdk.Result, error) {
	return ask(ctx, d.near, opDBApply, epoch, requests, wire.AppendRequests, wire.DecodeResults)
}

func (d nearDB) Outcome(ctx context.Context, epoch uint64, id sdk.WriteID) (sdk.Result, error) {
	r, err := ask(ctx, d.near, opDBOutcome, epoch, id, wire.AppendWriteID, wire.DecodeResult)
	return r, named(err, id)
}

// named puts the write id into an unknown outcome that came to be on the way.
func named(err error, id sdk.WriteID) error {
	if u, ok := err.(*sdk.OutcomeUnknownError); ok && u.ID == (sdk.WriteID{}) {
		u.ID = id
	}
	return err
}

func (d nearDB) Begin(ctx context.Context, epoch uint64, o sdk.TxOptions) (sdk.Tx, error) {
	_, n, err := obtain(ctx, d.near, opDBBegin, epoch, o, wire.AppendTxOptions, decodeNone)
	if err != nil {
		return nil, err
	}
	return nearTx{n}, nil
}

func (d nearDB) Prepare(ctx context.Context, text string) (sdk.Prepared, error) {
	return ask(ctx, d.near, opDBPrepare, 0, text, appendText, wire.DecodePrepared)
}

func (d nearDB) Query(ctx context.Context, q sdk.Query) (sdk.Rows, error) {
	o, n, err := obtain(ctx, d.near, opDBQuery, 0, q, wire.AppendQuery, decodeOpened)
	return openRows(o, n, err)
}

func (d nearDB) Changes(ctx context.Context, from sdk.Position) (sdk.Feed, error) {
	_, n, err := obtain(ctx, d.near, opDBChanges, 0, from, wire.AppendPosition, decodeNone)
	if err != nil {
		return nil, err
	}
	return nearFeed{n}, nil
}

func (d nearDB) Snapshot(ctx context.Context) (sdk.Feed, error) {
	_, n, err := obtain(ctx, d.near, opDBSnapshot, 0, nil, appendRaw, decodeNone)
	if err != nil {
		return nil, err
	}
	return nearFeed{n}, nil
}

func (d nearDB) Close(ctx context.Context) error { return d.release(ctx, opDBClose) }

type nearTx struct{ near }

func (t nearTx) Exec(ctx context.Context, s sdk.Statement) (sdk.Result, error) {
	return ask(ctx, t.near, opTxExec, 0, s, wire.AppendStatement, wire.DecodeResult)
}

func (t nearTx) Query(ctx context.Context, s sdk.Statement) (sdk.Rows, error) {
	o, n, err := obtain(ctx, t.near, opTxQuery, 0, s, wire.AppendStatement, decodeOpened)
	return openRows(o, n, err)
}

func (t nearTx) Commit(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	res, err := ask(ctx, t.near, opTxCommit, 0, r, wire.AppendRequest, wire.DecodeResult)
	return res, named(err, r.ID)
}

func (t nearTx) Rollback(ctx context.Context) error { return t.release(ctx, opTxRollback) }

// nearRows has the columns and the first block from the start. id 0: that is all.
type nearRows struct {
	near
	opened
	begun  bool // the first block was taken
	closed bool
}

func openRows(o opened, n near, err error) (sdk.Rows, error) {
	if err != nil {
		return nil, err
	}
	return &nearRows{near: n, opened: o}, nil
}

func (r *nearRows) Columns() []sdk.Column { return r.columns }

func (r *nearRows) Next(ctx context.Context) (sdk.Block, error) {
	switch {
	case !r.begun && !r.closed:
		if err := ctx.Err(); err != nil {
			return sdk.Block{}, err
		}
		r.begun = true
		b, err := r.first, r.err
		r.first = sdk.Block{}
		return b, err
	case r.id != 0:
		return ask(ctx, r.near, opRowsNext, 0, nil, appendRaw, wire.DecodeBlock)
	case r.err != nil && !errors.Is(r.err, io.EOF) && !r.closed:
		return sdk.Block{}, r.err
	}
	return sdk.Block{}, io.EOF
}

func (r *nearRows) Close() error {
	if r.closed || r.id == 0 {
		r.closed = true
		return nil
	}
	r.closed = true
	return r.finish(opRowsClose)
}

type nearFeed struct{ near }

func (f nearFeed) Next(ctx context.Context) ([]sdk.Change, error) {
	return ask(ctx, f.near, opFeedNext, 0, nil, appendRaw, wire.DecodeChanges)
}

func (f nearFeed) Close() error { return f.finish(opFeedClose) }

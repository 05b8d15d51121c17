package sdktest

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

type loopStore struct{ s sdk.Store }

func (l loopStore) ResourceKey(ctx context.Context, o sdk.OpenOptions) (string, error) {
	o, err := pass(o, wire.AppendOpenOptions, wire.DecodeOpenOptions)
	if err != nil {
		return "", err
	}
	return passString(l.s.ResourceKey(ctx, o))
}

func (l loopStore) Open(ctx context.Context, o sdk.OpenOptions) (sdk.DB, error) {
	o, err := pass(o, wire.AppendOpenOptions, wire.DecodeOpenOptions)
	if err != nil {
		return nil, err
	}
	db, err := l.s.Open(ctx, o)
	return object(db, err, func(db sdk.DB) sdk.DB { return loopDB{db} })
}

type loopDB struct{ db sdk.DB }

func (l loopDB) Status(ctx context.Context) (sdk.StoreStatus, error) {
	s, err := l.db.Status(ctx)
	return answer(s, err, wire.AppendStoreStatus, wire.DecodeStoreStatus)
}

func (l loopDB) Advance(ctx context.Context, f sdk.Fence) (sdk.Grant, error) {
	f, err := pass(f, wire.AppendFence, wire.DecodeFence)
	if err != nil {
		return sdk.Grant{}, err
	}
	g, err := l.db.Advance(ctx, f)
	return answer(g, err, wire.AppendGrant, wire.DecodeGrant)
}

func (l loopDB) SetSchema(ctx context.Context, epoch uint64, version int64) error {
	return passError(l.db.SetSchema(ctx, epoch, version))
}

func (l loopDB) Apply(ctx context.Context, epoch uint64, requests []sdk.Request) ([]sdk.Result, error) {
	requests, err := pass(requests, wire.AppendRequests, wire.DecodeRequests)
	if err != nil {
		return nil, err
	}
	results, err := l.db.Apply(ctx, epoch, requests)
	return answer(results, err, wire.AppendResults, wire.DecodeResults)
}

func (l loopDB) Outcome(ctx context.Context, epoch uint64, id sdk.WriteID) (sdk.Result, error) {
	id, err := pass(id, wire.AppendWriteID, wire.DecodeWriteID)
	if err != nil {
		return sdk.Result{}, err
	}
	r, err := l.db.Outcome(ctx, epoch, id)
	return answer(r, err, wire.AppendResult, wire.DecodeResult)
}

func (l loopDB) Begin(ctx context.Context, epoch uint64, o sdk.TxOptions) (sdk.Tx, error) {
	o, err := pass(o, wire.AppendTxOptions, wire.DecodeTxOptions)
	if err != nil {
		return nil, err
	}
	tx, err := l.db.Begin(ctx, epoch, o)
	return object(tx, err, func(tx sdk.Tx) sdk.Tx { return loopTx{tx} })
}

func (l loopDB) Prepare(ctx context.Context, text string) (sdk.Prepared, error) {
	text, err := passString(text, nil)
	if err != nil {
		return sdk.Prepared{}, err
	}
	p, err := l.db.Prepare(ctx, text)
	return answer(p, err, wire.AppendPrepared, wire.DecodePrepared)
}

func (l loopDB) Query(ctx context.Context, q sdk.Query) (sdk.Rows, error) {
	q, err := pass(q, wire.AppendQuery, wire.DecodeQuery)
	if err != nil {
		return nil, err
	}
	rows, err := l.db.Query(ctx, q)
	return object(rows, err, newLoopRows)
}

func (l loopDB) Changes(ctx context.Context, from sdk.Position) (sdk.Feed, error) {
	from, err := pass(from, wire.AppendPosition, wire.DecodePosition)
	if err != nil {
		return nil, err
	}
	feed, err := l.db.Changes(ctx, from)
	return object(feed, err, newLoopFeed)
}

func (l loopDB) Snapshot(ctx context.Context) (sdk.Feed, error) {
	feed, err := l.db.Snapshot(ctx)
	return object(feed, err, newLoopFeed)
}

func (l loopDB) Close(ctx context.Context) error { return passError(l.db.Close(ctx)) }

type loopRows struct{ r sdk.Rows }

func newLoopRows(r sdk.Rows) sdk.Rows { return loopRows{r} }

func (l loopRows) Columns() []sdk.Column {
	return passed(l.r.Columns(), wire.AppendColumns, wire.DecodeColumns)
}

func (l loopRows) Next(ctx context.Context) (sdk.Block, error) {
	b, err := l.r.Next(ctx)
	return answer(b, err, wire.AppendBlock, wire.DecodeBlock)
}

func (l loopRows) Close() error { return passError(l.r.Close()) }

type loopFeed struct{ f sdk.Feed }

func newLoopFeed(f sdk.Feed) sdk.Feed { return loopFeed{f} }

func (l loopFeed) Next(ctx context.Context) ([]sdk.Change, error) {
	list, err := l.f.Next(ctx)
	return answer(list, err, wire.AppendChanges, wire.DecodeChanges)
}

func (l loopFeed) Close() error { return passError(l.f.Close()) }

type loopTx struct{ tx sdk.Tx }

func (l loopTx) Exec(ctx context.Context, s sdk.Statement) (sdk.Result, error) {
	s, err := pass(s, wire.AppendStatement, wire.DecodeStatement)
	if err != nil {
		return sdk.Result{}, err
	}
	r, err := l.tx.Exec(ctx, s)
	return answer(r, err, wire.AppendResult, wire.DecodeResult)
}

func (l loopTx) Query(ctx context.Context, s sdk.Statement) (sdk.Rows, error) {
	s, err := pass(s, wire.AppendStatement, wire.DecodeStatement)
	if err != nil {
		return nil, err
	}
	rows, err := l.tx.Query(ctx, s)
	return object(rows, err, newLoopRows)
}

func (l loopTx) Commit(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	r, err := pass(r, wire.AppendRequest, wire.DecodeRequest)
	if err != nil {
		return sdk.Result{}, err
	}
	res, err := l.tx.Commit(ctx, r)
	return answer(res, err, wire.AppendResult, wire.DecodeResult)
}

func (l loopTx) Rollback(ctx context.Context) error { return passError(l.tx.Rollback(ctx)) }

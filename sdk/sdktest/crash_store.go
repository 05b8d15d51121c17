package sdktest

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
)

type crashStore struct {
	p *process
	s sdk.Store
}

func (c crashStore) ResourceKey(ctx context.Context, o sdk.OpenOptions) (string, error) {
	return call(c.p, "Store.ResourceKey", false, func() (string, error) { return c.s.ResourceKey(ctx, o) })
}

func (c crashStore) Open(ctx context.Context, o sdk.OpenOptions) (sdk.DB, error) {
	return call(c.p, "Store.Open", false, func() (sdk.DB, error) {
		db, err := c.s.Open(ctx, o)
		if err != nil {
			return nil, err
		}
		return crashDB{c.p, db}, nil
	})
}

type crashDB struct {
	p  *process
	db sdk.DB
}

func (c crashDB) Status(ctx context.Context) (sdk.StoreStatus, error) {
	return call(c.p, "DB.Status", false, func() (sdk.StoreStatus, error) { return c.db.Status(ctx) })
}

func (c crashDB) Advance(ctx context.Context, f sdk.Fence) (sdk.Grant, error) {
	return call(c.p, "DB.Advance", true, func() (sdk.Grant, error) { return c.db.Advance(ctx, f) })
}

func (c crashDB) SetSchema(ctx context.Context, epoch uint64, version int64) error {
	return do(c.p, "DB.SetSchema", true, func() error { return c.db.SetSchema(ctx, epoch, version) })
}

func (c crashDB) Apply(ctx context.Context, epoch uint64, requests []sdk.Request) ([]sdk.Result, error) {
	return call(c.p, "DB.Apply", true, func() ([]sdk.Result, error) { return c.db.Apply(ctx, epoch, requests) })
}

func (c crashDB) Outcome(ctx context.Context, epoch uint64, id sdk.WriteID) (sdk.Result, error) {
	return call(c.p, "DB.Outcome", true, func() (sdk.Result, error) { return c.db.Outcome(ctx, epoch, id) })
}

func (c crashDB) Begin(ctx context.Context, epoch uint64, o sdk.TxOptions) (sdk.Tx, error) {
	return call(c.p, "DB.Begin", false, func() (sdk.Tx, error) {
		tx, err := c.db.Begin(ctx, epoch, o)
		if err != nil {
			return nil, err
		}
		return crashTx{c.p, tx}, nil
	})
}

func (c crashDB) Prepare(ctx context.Context, text string) (sdk.Prepared, error) {
	return call(c.p, "DB.Prepare", false, func() (sdk.Prepared, error) { return c.db.Prepare(ctx, text) })
}

func (c crashDB) Query(ctx context.Context, q sdk.Query) (sdk.Rows, error) {
	return call(c.p, "DB.Query", false, func() (sdk.Rows, error) { return crashed(c.p)(c.db.Query(ctx, q)) })
}

// crashed wraps rows.
func crashed(p *process) func(sdk.Rows, error) (sdk.Rows, error) {
	return func(r sdk.Rows, err error) (sdk.Rows, error) {
		if err != nil {
			return nil, err
		}
		return crashRows{p, r}, nil
	}
}

func (c crashDB) Changes(ctx context.Context, from sdk.Position) (sdk.Feed, error) {
	return call(c.p, "DB.Changes", false, func() (sdk.Feed, error) { return c.feed(c.db.Changes(ctx, from)) })
}

func (c crashDB) Snapshot(ctx context.Context) (sdk.Feed, error) {
	return call(c.p, "DB.Snapshot", false, func() (sdk.Feed, error) { return c.feed(c.db.Snapshot(ctx)) })
}

func (c crashDB) feed(f sdk.Feed, err error) (sdk.Feed, error) {
	if err != nil {
		return nil, err
	}
	return crashFeed{c.p, f}, nil
}

func (c crashDB) Close(ctx context.Context) error {
	return end(c.p, "DB.Close", func() error { return c.db.Close(ctx) })
}

type crashRows struct {
	p *process
	r sdk.Rows
}

func (c crashRows) Columns() []sdk.Column { return c.r.Columns() }

func (c crashRows) Next(ctx context.Context) (sdk.Block, error) {
	return call(c.p, "Rows.Next", false, func() (sdk.Block, error) { return c.r.Next(ctx) })
}

func (c crashRows) Close() error { return end(c.p, "Rows.Close", c.r.Close) }

type crashFeed struct {
	p *process
	f sdk.Feed
}

func (c crashFeed) Next(ctx context.Context) ([]sdk.Change, error) {
	return call(c.p, "Feed.Next", false, func() ([]sdk.Change, error) { return c.f.Next(ctx) })
}

func (c crashFeed) Close() error { return end(c.p, "Feed.Close", c.f.Close) }

type crashTx struct {
	p  *process
	tx sdk.Tx
}

func (c crashTx) Exec(ctx context.Context, s sdk.Statement) (sdk.Result, error) {
	return call(c.p, "Tx.Exec", true, func() (sdk.Result, error) { return c.tx.Exec(ctx, s) })
}

func (c crashTx) Query(ctx context.Context, s sdk.Statement) (sdk.Rows, error) {
	return call(c.p, "Tx.Query", false, func() (sdk.Rows, error) { return crashed(c.p)(c.tx.Query(ctx, s)) })
}

func (c crashTx) Commit(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	return call(c.p, "Tx.Commit", true, func() (sdk.Result, error) { return c.tx.Commit(ctx, r) })
}

func (c crashTx) Rollback(ctx context.Context) error {
	return end(c.p, "Tx.Rollback", func() error { return c.tx.Rollback(ctx) })
}

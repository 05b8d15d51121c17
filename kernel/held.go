package kernel

import (
	"context"
	"errors"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// What the plugins give out knows its life, so that a step can tell whether what it
// holds is dead, and ends with it.
type (
	heldLease struct {
		sdk.Lease
		from *life
	}
	heldServer struct {
		sdk.Server
		from *life
	}
	heldDB struct {
		sdk.DB
		from *life
	}
)

func (h heldLease) life() *life  { return h.from }
func (h heldServer) life() *life { return h.from }
func (h heldDB) life() *life     { return h.from }

// dead reports whether x, which a plugin gave out, went with its plugin. Nothing
// is not dead.
func dead(x any) bool {
	h, ok := x.(interface{ life() *life })
	return ok && h.life().over.Load()
}

// Announce implements sdk.Lease.
func (h heldLease) Announce(ctx context.Context, r sdk.Record) error {
	return h.from.mark(h.Lease.Announce(ctx, r))
}

// Renew implements sdk.Lease.
func (h heldLease) Renew(ctx context.Context) error { return h.from.mark(h.Lease.Renew(ctx)) }

// Release implements sdk.Lease. The lock of a dead plugin is free.
func (h heldLease) Release(ctx context.Context) error { return h.from.stop(ctx, h.Lease.Release) }

// Close implements sdk.Server.
func (h heldServer) Close(ctx context.Context) error { return h.from.stop(ctx, h.Server.Close) }

// Close implements sdk.DB.
func (h heldDB) Close(ctx context.Context) error { return h.from.stop(ctx, h.DB.Close) }

// Status implements sdk.DB.
func (h heldDB) Status(ctx context.Context) (sdk.StoreStatus, error) {
	st, err := h.DB.Status(ctx)
	return st, h.from.mark(err)
}

// Advance implements sdk.DB.
func (h heldDB) Advance(ctx context.Context, f sdk.Fence) (sdk.Grant, error) {
	g, err := h.DB.Advance(ctx, f)
	return g, h.from.mark(err)
}

// Apply implements sdk.DB.
func (h heldDB) Apply(ctx context.Context, epoch uint64, requests []sdk.Request) ([]sdk.Result, error) {
	results, err := h.DB.Apply(ctx, epoch, requests)
	h.from.lost(err) // so that the demotion which follows knows
	return results, err
}

// Begin implements sdk.DB.
func (h heldDB) Begin(ctx context.Context, epoch uint64, o sdk.TxOptions) (sdk.Tx, error) {
	tx, err := h.DB.Begin(ctx, epoch, o)
	if err != nil {
		h.from.lost(err)
		return nil, err
	}
	return heldTx{tx, h.from}, nil
}

// heldTx is a transaction that is lost with its plugin.
type heldTx struct {
	sdk.Tx
	from *life
}

// judge makes the death of the plugin ErrTxLost: nothing was applied.
func (h heldTx) judge(err error) error {
	if !h.from.lost(err) {
		return err
	}
	return fmt.Errorf("%w: the store failed (%v); run it again from BEGIN", sdk.ErrTxLost, h.from.why())
}

// Exec implements sdk.Tx.
func (h heldTx) Exec(ctx context.Context, s sdk.Statement) (sdk.Result, error) {
	r, err := h.Tx.Exec(ctx, s)
	return r, h.judge(err)
}

// Query implements sdk.Tx.
func (h heldTx) Query(ctx context.Context, s sdk.Statement) (sdk.Rows, error) {
	rows, err := h.Tx.Query(ctx, s)
	if err != nil {
		return nil, h.judge(err)
	}
	return heldTxRows{rows, h}, nil
}

// Commit implements sdk.Tx. One that was on its way may have been applied.
func (h heldTx) Commit(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	res, err := h.Tx.Commit(ctx, r)
	if errors.Is(err, sdk.ErrOutcomeUnknown) {
		h.from.lost(err)
		return res, err
	}
	return res, h.judge(err)
}

// Rollback implements sdk.Tx. A transaction of a dead store is rolled back.
func (h heldTx) Rollback(ctx context.Context) error {
	if err := h.Tx.Rollback(ctx); !h.from.lost(err) {
		return err
	}
	return nil
}

// heldTxRows are rows of a heldTx.
type heldTxRows struct {
	sdk.Rows
	tx heldTx
}

// Next implements sdk.Rows.
func (h heldTxRows) Next(ctx context.Context) (sdk.Block, error) {
	b, err := h.Rows.Next(ctx)
	return b, h.tx.judge(err)
}

package sqlroute

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ramet-io/ramet/plugins/store-sqlite/sqlite"
	"github.com/ramet-io/ramet/sdk"
)

// onStore is a Backend on the real store, as the kernel's is on a primary: writes
// and transactions take turns.
type onStore struct {
	db    sdk.DB
	epoch uint64
	turn  chan struct{}
}

// newOnStore opens the store plugin over a new database.
func newOnStore(t testing.TB) (b *onStore, path string) {
	t.Helper()
	ctx := context.Background()
	running, err := sqlite.New().Open(ctx, sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "t.db")
	db, err := running.Store().Open(ctx, sdk.OpenOptions{Path: path, Role: sdk.Primary, ChangeLog: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := running.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	grant, err := db.Advance(ctx, sdk.Fence{Owner: sdk.Record{Instance: "t"}})
	if err != nil {
		t.Fatal(err)
	}
	return &onStore{db: db, epoch: grant.Epoch, turn: make(chan struct{}, 1)}, path
}

func (b *onStore) Prepare(ctx context.Context, text string) (sdk.Prepared, error) {
	return b.db.Prepare(ctx, text)
}

func (b *onStore) Read(ctx context.Context, s sdk.Statement) (Reading, error) {
	rows, err := b.db.Query(ctx, sdk.Query{Statement: s})
	if err != nil {
		return Reading{}, err
	}
	return First(ctx, rows)
}

func (b *onStore) Write(ctx context.Context, s []sdk.Statement) (sdk.Result, error) {
	b.turn <- struct{}{}
	defer func() { <-b.turn }()
	r, err := b.db.Apply(ctx, b.epoch, []sdk.Request{{Statements: s}})
	if err != nil {
		return sdk.Result{}, err
	}
	return r[0], nil
}

func (b *onStore) Begin(ctx context.Context, o sdk.TxOptions) (sdk.Tx, error) {
	if o.ReadOnly {
		return b.db.Begin(ctx, 0, o)
	}
	select {
	case b.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	tx, err := b.db.Begin(ctx, b.epoch, o)
	if err != nil {
		<-b.turn
		return nil, err
	}
	return &turnTx{Tx: tx, end: sync.OnceFunc(func() { <-b.turn })}, nil
}

// turnTx gives the turn back when the transaction is over.
type turnTx struct {
	sdk.Tx
	end func()
}

func (t *turnTx) Commit(ctx context.Context, r sdk.Request) (sdk.Result, error) {
	done, err := t.Tx.Commit(ctx, r)
	if err == nil {
		t.end()
	}
	return done, err
}

func (t *turnTx) Rollback(ctx context.Context) error {
	defer t.end()
	return t.Tx.Rollback(ctx)
}

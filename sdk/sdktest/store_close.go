package sdktest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/ramet-io/ramet/sdk"
)

var storeCloseCases = []storeCase{
	{"twice and from many goroutines", "", storeCloseMany},
	{"ends every method", "", storeCloseMethods},
	{"with rows and a feed open", "", storeCloseOpen},
	{"while calls run", "", storeCloseRunning},
	{"of the plugin closes the database", "", storeClosePlugin},
}

func storeCloseMany(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	ctx := f.ctx()
	errs := make([]error, 8)
	var group sync.WaitGroup
	for i := range errs {
		group.Go(func() { errs[i] = w.db.Close(ctx) })
	}
	group.Wait()
	if err := errors.Join(append(errs, w.db.Close(ctx))...); err != nil {
		f.t.Error(err)
	}
	f.primary().exec("INSERT INTO t VALUES (1)") // and it can be opened again
}

func storeCloseMethods(f *storeFixture) {
	w := f.primary()
	f.close(w.db)
	ctx := f.ctx()
	var errs [8]error
	_, errs[0] = w.db.Status(ctx)
	_, errs[1] = w.db.Advance(ctx, sdk.Fence{Observed: w.epoch})
	_, errs[2] = w.db.Apply(ctx, w.epoch, []sdk.Request{storeTexts("CREATE TABLE t(a)")})
	_, errs[3] = w.db.Outcome(ctx, w.epoch, storeID(1))
	_, errs[4] = w.db.Prepare(ctx, "SELECT 1")
	_, errs[5] = w.db.Query(ctx, sdk.Query{Statement: storeStmt("SELECT 1")})
	errs[6] = w.db.SetSchema(ctx, w.epoch, 1)
	errs[7] = sdk.ErrClosed
	if f.info.Has(sdk.CapInteractiveTx) {
		_, errs[7] = w.db.Begin(ctx, w.epoch, sdk.TxOptions{})
	}
	for i, err := range errs {
		storeWantError(f.t, fmt.Sprintf("method %d after Close", i), err, sdk.ErrClosed)
	}
}

func storeCloseOpen(f *storeFixture) {
	w := f.primary()
	r, err := w.db.Query(f.ctx(), sdk.Query{Statement: storeStmt(storeSeries(5000))})
	if err != nil {
		f.t.Fatal(err)
	}
	var feed sdk.Feed
	if f.info.Has(sdk.CapChangeLog) {
		feed = storeChanges(f, w.db, sdk.Position{}).feed
	}
	f.close(w.db)
	if _, err := r.Next(f.ctx()); err == nil { // the first block may have been read ahead
		_, err = r.Next(f.ctx())
		storeWantError(f.t, "rows of a closed database", err, sdk.ErrClosed)
	}
	if err := r.Close(); err != nil {
		f.t.Errorf("close rows: %v", err)
	}
	if feed != nil {
		_, err := feed.Next(f.ctx())
		storeWantError(f.t, "feed of a closed database", err, sdk.ErrClosed)
	}
}

func storeCloseRunning(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	ctx := f.ctx()
	started := make(chan struct{}, 5)
	var group sync.WaitGroup
	var acknowledged atomic.Int64
	group.Go(func() {
		for n := 0; ; n++ {
			if _, err := w.db.Apply(ctx, w.epoch, []sdk.Request{storeTexts("INSERT INTO t VALUES (1)")}); err != nil {
				storeWantError(f.t, "a write during Close", err, sdk.ErrClosed)
				return
			}
			acknowledged.Add(1)
			if n == 0 {
				started <- struct{}{}
			}
		}
	})
	for range 4 {
		group.Go(func() {
			for n := 0; ; n++ {
				r, err := w.db.Query(ctx, sdk.Query{Statement: storeStmt("SELECT count(*) FROM t")})
				if err != nil {
					storeWantError(f.t, "a read during Close", err, sdk.ErrClosed)
					return
				}
				_ = r.Close()
				if n == 0 {
					started <- struct{}{}
				}
			}
		})
	}
	for range 5 {
		<-started
	}
	f.close(w.db)
	group.Wait()
	f.primary().want("SELECT count(*) FROM t", acknowledged.Load())
}

func storeClosePlugin(f *storeFixture) {
	other := f.elsewhere()
	w := other.primary()
	w.exec("CREATE TABLE t(a)")
	for range 2 {
		if err := other.run.Close(f.ctx()); err != nil {
			f.t.Fatal(err)
		}
	}
	_, err := w.db.Status(f.ctx())
	storeWantError(f.t, "a database of a closed plugin", err, sdk.ErrClosed)
	storeWantRows(f, f.open(sdk.Secondary), "SELECT count(*) FROM t", int64(0))
}

var storeTogetherCases = []storeCase{
	{"readers beside a writer", "", storeTogetherReaders},
	{"an old primary beside a new one", "", storeTogetherRivals},
}

func storeTogetherReaders(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE account(id INTEGER PRIMARY KEY, amount)", "INSERT INTO account VALUES (1, 500), (2, 500)")
	ctx, stop := context.WithCancel(f.ctx())
	defer stop()
	secondary := f.elsewhere().open(sdk.Secondary)
	var group sync.WaitGroup
	for i := range 4 {
		db := []sdk.DB{w.db, secondary}[i%2]
		group.Go(func() { storeReadSums(f, ctx, db) })
	}
	for i := range 300 {
		w.must(sdk.Request{Statements: []sdk.Statement{
			storeStmt("UPDATE account SET amount = amount - ? WHERE id = 1", int64(i)),
			storeStmt("UPDATE account SET amount = amount + ? WHERE id = 2", int64(i)),
		}})
	}
	stop()
	group.Wait()
}

// storeReadSums reads until ctx ends; no read may see half a write.
func storeReadSums(f *storeFixture, ctx context.Context, db sdk.DB) {
	for ctx.Err() == nil {
		r, err := db.Query(ctx, sdk.Query{Statement: storeStmt("SELECT sum(amount) FROM account")})
		if err == nil {
			var b sdk.Block
			if b, err = r.Next(ctx); err == nil && b.Rows[0][0] != int64(1000) {
				f.t.Errorf("a reader saw the sum %v", b.Rows[0][0])
			}
			_ = r.Close()
		}
		if err != nil && ctx.Err() == nil {
			f.t.Errorf("a reader: %v", err)
			return
		}
	}
}

// storeTogetherRivals lets instances displace each other while they write. What
// was acknowledged is there, once, and what was fenced is not.
func storeTogetherRivals(f *storeFixture) {
	seed := rand.Uint64()
	f.t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	writers := []*storeWriter{f.primary()}
	writers[0].exec("CREATE TABLE t(a INTEGER PRIMARY KEY, epoch)")
	for range 3 {
		writers = append(writers, f.elsewhere().primary())
	}
	current, acknowledged := 3, int64(0)
	for n := int64(1); n <= 200; n++ {
		i := random.IntN(len(writers))
		w := writers[i]
		if random.IntN(10) == 0 {
			g, err := w.db.Advance(f.ctx(), sdk.Fence{Observed: f.status(w.db).Epoch})
			if err != nil {
				f.t.Fatal(err)
			}
			w.epoch, current = g.Epoch, i
		}
		r := sdk.Request{Statements: []sdk.Statement{storeStmt("INSERT INTO t VALUES (?, ?)", n, int64(w.epoch))}}
		results, err := w.db.Apply(f.ctx(), w.epoch, []sdk.Request{r})
		switch {
		case i != current:
			storeWantError(f.t, "a write of an old primary", err, sdk.ErrFenced)
		case err != nil || results[0].Err != nil:
			f.t.Fatalf("a write of the primary: %v, %v", err, results)
		default:
			acknowledged++
		}
	}
	writers[0].want("SELECT count(*) FROM t", acknowledged)
	writers[0].want("SELECT count(*) FROM t x JOIN t y ON x.a < y.a AND x.epoch > y.epoch", int64(0))
}

package kernel

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ramet-io/ramet/kernel/internal/sqlroute"
	"github.com/ramet-io/ramet/sdk"
)

// reader is the read-only side of the store, as the instance and what it hands out
// hold it for the whole life. Role changes do not concern it. When the store's
// plugin dies, calls wait for the store to be opened again, until their context
// ends, and are made again; feeds go on after the last position.
type reader struct {
	store   *plugin
	open    func(context.Context) (sdk.DB, error)
	timeout time.Duration // of the wait of a call whose context has no deadline

	now    atomic.Pointer[heldDB] // nil: never opened
	turn   chan struct{}          // holds one token while somebody opens or closes
	closed chan struct{}          // closed by Close
}

func newReader(i *Instance) *reader {
	return &reader{store: i.parts.byStage[sdk.StageStore], timeout: i.cfg.CallTimeout,
		open: func(ctx context.Context) (sdk.DB, error) {
			return i.parts.store.Open(ctx, i.openOptions(sdk.Secondary))
		},
		turn: make(chan struct{}, 1), closed: make(chan struct{})}
}

// get returns the open store.
func (r *reader) get(ctx context.Context) (*heldDB, error) {
	if db := r.now.Load(); db != nil && !db.from.over.Load() {
		return db, nil
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.timeout)
		defer cancel()
	}
	return r.reopen(ctx)
}

// reopen opens the store as soon as its plugin is up. One caller does it for all.
func (r *reader) reopen(ctx context.Context) (*heldDB, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := start(func(quit context.Context) {
		select {
		case <-r.closed:
			cancel()
		case <-quit.Done():
		}
	})
	defer watch.stop()
	for {
		if _, err := r.store.wait(ctx); err != nil {
			return nil, r.or(err)
		}
		db, err := r.once(ctx)
		if err == nil {
			return db, nil
		}
		if _, up := r.store.up(); up == nil { // it works, and cannot open
			return nil, r.or(err)
		}
	}
}

// once makes one attempt at opening, when it is this caller's turn.
func (r *reader) once(ctx context.Context) (*heldDB, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: the store is being opened: %w", sdk.ErrUnavailable, ctx.Err())
	}
	if db := r.now.Load(); db != nil && !db.from.over.Load() {
		return db, nil
	}
	opened, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	db := opened.(heldDB)
	r.now.Store(&db) // Close waits for its turn, and closes this one
	return &db, nil
}

// or returns ErrClosed in place of err after Close.
func (r *reader) or(err error) error {
	select {
	case <-r.closed:
		return fmt.Errorf("%w: the instance is closed", sdk.ErrClosed)
	default:
		return err
	}
}

// opened reports whether the store was opened once.
func (r *reader) opened() bool { return r.now.Load() != nil }

// Close ends the reader for good, and the calls that wait for the store.
func (r *reader) Close(ctx context.Context) error {
	close(r.closed)
	select {
	case r.turn <- struct{}{}: // and kept: nothing is opened any more
	case <-ctx.Done():
		return fmt.Errorf("%w: the store is still being opened: %w", sdk.ErrUnclean, ctx.Err())
	}
	if db := r.now.Load(); db != nil {
		return db.Close(ctx)
	}
	return nil
}

// read makes a call that may be made again if the store dies under it.
func read[T any](ctx context.Context, r *reader, f func(*heldDB) (T, error)) (v T, err error) {
	for {
		db, err := r.get(ctx)
		if err != nil {
			return v, err
		}
		v, err = f(db)
		if !db.from.lost(err) {
			return v, err
		}
	}
}

// Status is sdk.DB's.
func (r *reader) Status(ctx context.Context) (sdk.StoreStatus, error) {
	return read(ctx, r, func(db *heldDB) (sdk.StoreStatus, error) { return db.Status(ctx) })
}

// Prepare is sdk.DB's.
func (r *reader) Prepare(ctx context.Context, text string) (sdk.Prepared, error) {
	return read(ctx, r, func(db *heldDB) (sdk.Prepared, error) { return db.Prepare(ctx, text) })
}

// Begin begins a read-only transaction. It is lost with the store.
func (r *reader) Begin(ctx context.Context, o sdk.TxOptions) (sdk.Tx, error) {
	o.ReadOnly = true
	return read(ctx, r, func(db *heldDB) (sdk.Tx, error) { return db.Begin(ctx, 0, o) })
}

// Query reads. Rows that have begun to come cannot go on with another store; until
// then the query is made again.
func (r *reader) Query(ctx context.Context, q sdk.Query) (sqlroute.Reading, error) {
	for {
		db, err := r.get(ctx)
		if err != nil {
			return sqlroute.Reading{}, err
		}
		got, err := db.read(ctx, q)
		if err == nil || !db.from.lost(err) {
			return got, err
		}
	}
}

func (db *heldDB) read(ctx context.Context, q sdk.Query) (sqlroute.Reading, error) {
	rows, err := db.DB.Query(ctx, q)
	if err != nil {
		return sqlroute.Reading{}, err
	}
	got, err := sqlroute.First(ctx, rows)
	if got.Rest != nil {
		got.Rest = &liveRows{got.Rest, db.from}
	}
	return got, err
}

// liveRows are the rows of a large read after the first ones.
type liveRows struct {
	sdk.Rows
	from *life
}

// Next implements sdk.Rows.
func (l *liveRows) Next(ctx context.Context) (sdk.Block, error) {
	b, err := l.Rows.Next(ctx)
	if l.from.lost(err) {
		err = fmt.Errorf("%w: the store failed while these rows were read (%v); read them again", sdk.ErrUnavailable, l.from.why())
	}
	return b, err
}

// Changes reads the change log. The feed outlives the store.
func (r *reader) Changes(ctx context.Context, from sdk.Position) (sdk.Feed, error) {
	f := &liveFeed{r: r, at: from}
	if err := f.open(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// liveFeed is a feed of the reader. One goroutine at a time, as the contract says.
type liveFeed struct {
	r    *reader
	feed sdk.Feed
	from *life
	at   sdk.Position // everything up to here was given
}

func (f *liveFeed) open(ctx context.Context) error {
	for {
		db, err := f.r.get(ctx)
		if err != nil {
			return err
		}
		feed, err := db.Changes(ctx, f.at)
		if db.from.lost(err) {
			continue
		}
		if err == nil {
			f.feed, f.from = feed, db.from
		}
		return err
	}
}

// Next implements sdk.Feed.
func (f *liveFeed) Next(ctx context.Context) ([]sdk.Change, error) {
	for {
		page, err := f.feed.Next(ctx)
		if n := len(page); err == nil && n > 0 {
			f.at = page[n-1].Position
		}
		if !f.from.lost(err) {
			return page, err
		}
		if err := f.open(ctx); err != nil {
			return nil, err
		}
	}
}

// Close implements sdk.Feed. Nothing is left of a feed whose store died.
func (f *liveFeed) Close() error {
	if err := f.feed.Close(); !f.from.lost(err) {
		return err
	}
	return nil
}

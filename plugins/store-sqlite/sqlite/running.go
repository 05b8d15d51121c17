package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// running is the opened plugin and its store. Its health never changes: a
// database that cannot be used says so call by call.
type running struct {
	mu     sync.Mutex
	closed bool
	open   map[*db]struct{} // what Close must close
	ended  chan struct{}    // closed by Close
}

func (r *running) Ports() sdk.Ports         { return nil }
func (r *running) Lock() sdk.Lock           { return nil }
func (r *running) Store() sdk.Store         { return r }
func (r *running) Transport() sdk.Transport { return nil }
func (r *running) Watcher() sdk.Watcher     { return nil }

// WaitHealth implements sdk.Running.
func (r *running) WaitHealth(ctx context.Context, seen uint64) (sdk.Health, error) {
	if seen == 0 {
		return sdk.Health{Number: 1, Condition: sdk.Ready}, nil
	}
	select {
	case <-ctx.Done():
		return sdk.Health{}, ctx.Err()
	case <-r.ended:
		return sdk.Health{}, fmt.Errorf("%w: store-sqlite was closed", sdk.ErrClosed)
	}
}

// Close closes every database that is still open.
func (r *running) Close(ctx context.Context) error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.ended)
	}
	left := make([]*db, 0, len(r.open))
	for d := range r.open {
		left = append(left, d)
	}
	r.mu.Unlock()
	var errs []error
	for _, d := range left {
		errs = append(errs, d.Close(ctx))
	}
	return errors.Join(errs...)
}

// ResourceKey implements sdk.Store.
func (r *running) ResourceKey(_ context.Context, o sdk.OpenOptions) (string, error) {
	return resourceKey(o.Path)
}

// Open implements sdk.Store.
func (r *running) Open(ctx context.Context, o sdk.OpenOptions) (sdk.DB, error) {
	d, err := openDB(ctx, o, r)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	closed := r.closed
	if !closed {
		r.open[d] = struct{}{}
	}
	r.mu.Unlock()
	if closed {
		return nil, errors.Join(fmt.Errorf("%w: store-sqlite was closed", sdk.ErrClosed), d.Close(ctx))
	}
	return d, nil
}

// kin returns the other open handles of d's database.
func (r *running) kin(d *db) []*db {
	r.mu.Lock()
	defer r.mu.Unlock()
	var kin []*db
	for k := range r.open {
		if k != d && k.path == d.path {
			kin = append(kin, k)
		}
	}
	return kin
}

func (r *running) forget(d *db) {
	r.mu.Lock()
	delete(r.open, d)
	r.mu.Unlock()
}

var (
	_ sdk.Running = (*running)(nil)
	_ sdk.Store   = (*running)(nil)
)

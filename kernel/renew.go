package kernel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// defaultTTL is used where a lock states none.
const defaultTTL = 3 * time.Second

// renewal shows that this process runs, from before it wins the epoch until after
// it stopped writing, also during a migration. The plugin never does it by itself:
// a stopped kernel must show.
type renewal struct {
	i      *Instance
	lease  sdk.Lease
	db     sdk.DB
	quit   func(error)
	every  time.Duration
	ttl    time.Duration
	seized bool // a takeover lease got the lock in the meantime
}

func newRenewal(i *Instance, quit func(error)) *renewal {
	ttl := i.pass.lease.Terms().TTL
	if ttl <= 0 {
		ttl = defaultTTL
	}
	return &renewal{i: i, lease: i.pass.lease, db: i.pass.db, quit: quit, every: ttl / 5, ttl: ttl,
		seized: !i.pass.lease.Terms().Takeover}
}

func (r *renewal) run(ctx context.Context) {
	held := time.Now() // counted from before each renewal that succeeded
	for {
		began := time.Now()
		err := r.renew(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			held = began
		case errors.Is(err, sdk.ErrFenced):
			r.quit(err)
			return
		case time.Since(held) > r.ttl:
			r.quit(fmt.Errorf("not renewed for %v: %w", r.ttl, err))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(r.every):
		}
		if late := time.Since(began) - r.every; late >= r.ttl {
			r.i.log.Warn("this process stood still", "for", late)
			if err := r.confirm(ctx); err != nil {
				r.quit(err)
				return
			}
		}
	}
}

func (r *renewal) renew(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.ttl)
	defer cancel()
	if err := r.lease.Renew(ctx); err != nil {
		return err
	}
	if !r.seized && !r.lease.Terms().Takeover {
		r.seized = true
		return r.i.reannounce(ctx, r.lease)
	}
	return nil
}

// confirm re-reads the epoch after this process stood still.
func (r *renewal) confirm(ctx context.Context) error {
	epoch := r.i.announced().Epoch
	st, err := r.db.Status(ctx)
	if err == nil && epoch != 0 && st.Epoch > epoch {
		return fmt.Errorf("%w: we served epoch %d and stood still, the store is at %d", sdk.ErrFenced, epoch, st.Epoch)
	}
	return nil // an unreadable store fences by itself
}

// announced returns the record that this instance serves under; zero if it does
// not.
func (i *Instance) announced() sdk.Record {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.serving
}

func (i *Instance) setAnnounced(r sdk.Record) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.serving = r
}

// reannounce tells the others that a primary by takeover now holds the lock.
func (i *Instance) reannounce(ctx context.Context, lease sdk.Lease) error {
	rec := i.announced()
	if rec.Epoch == 0 {
		return nil // serve announces it
	}
	rec.Takeover = false
	if err := lease.Announce(ctx, rec); err != nil {
		return err
	}
	i.setAnnounced(rec)
	return nil
}

// noLock stands for a lock that does not work: nothing is held, and the store's
// owner row alone elects.
type noLock struct{ ttl time.Duration }

func (n noLock) Terms() sdk.Terms                         { return sdk.Terms{Takeover: true, TTL: n.ttl} }
func (noLock) Announce(context.Context, sdk.Record) error { return nil }
func (noLock) Renew(context.Context) error                { return nil }
func (noLock) Release(context.Context) error              { return nil }

var _ sdk.Lease = noLock{}

package systest

import (
	"context"
	"database/sql"
	"slices"
	"sync"
	"testing"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// diary writes down what the kernel asks of an instance's lock and transport.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) write(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) read() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.lines)
}

// keep is boot's option that has every plugin watched by d.
func (d *diary) keep(c *kernel.Config) {
	for n, p := range c.Plugins {
		c.Plugins[n] = watched{p, d}
	}
}

// These pass every call on to a real plugin.
type (
	watched struct {
		sdk.Plugin
		d *diary
	}
	watchedRunning struct {
		sdk.Running
		d *diary
	}
	watchedLock struct {
		sdk.Lock
		d *diary
	}
	watchedLease struct {
		sdk.Lease
		d *diary
	}
	watchedServe struct {
		sdk.Transport
		d *diary
	}
)

func (w watched) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	r, err := w.Plugin.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	return watchedRunning{r, w.d}, nil
}

func (w watchedRunning) Lock() sdk.Lock           { return watchedLock{w.Running.Lock(), w.d} }
func (w watchedRunning) Transport() sdk.Transport { return watchedServe{w.Running.Transport(), w.d} }

func (w watchedLock) Acquire(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	return w.won(w.Lock.Acquire(ctx, c))
}

func (w watchedLock) Await(ctx context.Context, c sdk.Claim) (sdk.Lease, error) {
	return w.won(w.Lock.Await(ctx, c))
}

func (w watchedLock) won(l sdk.Lease, err error) (sdk.Lease, error) {
	if err != nil {
		return nil, err
	}
	w.d.write("won")
	return watchedLease{l, w.d}, nil
}

func (w watchedLease) Release(ctx context.Context) error {
	w.d.write("released")
	return w.Lease.Release(ctx)
}

func (w watchedServe) Serve(ctx context.Context, s sdk.Scope, at []sdk.Endpoint, h sdk.Handler) (sdk.Server, error) {
	srv, err := w.Transport.Serve(ctx, s, at, h)
	if err == nil {
		w.d.write("served")
	}
	return srv, err
}

// TestLockReleasedBeforePromotion: it was, in the system ramet replaces, and both
// secondaries claimed to be primary. Between winning and serving nothing is let go.
func TestLockReleasedBeforePromotion(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a := boot(t, dir)
	diaries := []*diary{{}, {}}
	standbys := []*kernel.Instance{boot(t, dir, diaries[0].keep), boot(t, dir, diaries[1].keep)}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, "one of two is primary, the other linked to it", func() bool {
		x, y := standbys[0], standbys[1]
		return (x.Role() == sdk.Primary) != (y.Role() == sdk.Primary) && slices.Equal(x.Endpoints(), y.Endpoints()) && len(x.Endpoints()) > 0
	})
	for n, i := range standbys {
		got := diaries[n].read()
		switch i.Role() {
		case sdk.Primary:
			if !slices.Equal(got, []string{"won", "served"}) {
				t.Errorf("the new primary: %q", got)
			}
		default:
			if slices.Contains(got, "served") {
				t.Errorf("the secondary: %q", got)
			}
		}
	}
}

// TestPragmasReachEveryConnection: in the system ramet replaces they reached the
// first connection of a pool only.
func TestPragmasReachEveryConnection(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b := boot(t, dir), boot(t, dir)
	mustExec(t, a, "CREATE TABLE p (id INTEGER PRIMARY KEY)")
	mustExec(t, a, "CREATE TABLE c (p INTEGER NOT NULL REFERENCES p)")
	for _, db := range []*sql.DB{a.DB(), b.DB(), a.LocalDB(), b.LocalDB()} {
		for range 8 {
			conn, err := db.Conn(within(t))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() // held, so that the next one is another
			// Open rows keep a connection of the store, too.
			rows, err := conn.QueryContext(within(t), "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 100000) SELECT i FROM n")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			var on int
			if err := db.QueryRowContext(within(t), "PRAGMA foreign_keys").Scan(&on); err != nil || on != 1 {
				t.Errorf("foreign_keys is %d, %v", on, err)
			}
		}
	}
	for _, i := range []*kernel.Instance{a, b} {
		for range 8 {
			if _, err := i.DB().ExecContext(within(t), "INSERT INTO c VALUES (7)"); err == nil {
				t.Errorf("%s: a row without its parent", i.Role())
			}
		}
	}
}

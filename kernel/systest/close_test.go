package systest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func TestCloseTwice(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	for _, i := range []*kernel.Instance{boot(t, dir), boot(t, dir)} {
		if err := errors.Join(i.Close(), i.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestCloseConcurrently(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b := boot(t, dir), boot(t, dir)
	mustExec(t, a, "CREATE TABLE t(x)")
	var wg sync.WaitGroup
	for n := range 16 {
		i := []*kernel.Instance{a, b}[n%2]
		wg.Go(func() {
			if err := i.Close(); err != nil {
				t.Errorf("close %s: %v", i.ID(), err)
			}
			if i.Role() != "" {
				t.Errorf("role %q after Close", i.Role())
			}
		})
	}
	wg.Wait()
}

// TestCloseDuringPromotion: Close at whatever point of a promotion leaves nothing
// behind and lets the next one have the workspace.
func TestCloseDuringPromotion(t *testing.T) {
	sdktest.NoLeaks(t)
	for round := range 20 {
		dir := t.TempDir()
		a, b := boot(t, dir, named("a")), boot(t, dir, named("b"))
		roles := b.Roles(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := a.Close(); err != nil {
				t.Errorf("close a: %v", err)
			}
		})
		if round%2 == 0 { // somewhere between the goodbye and the service
			for c := range roles {
				if c.Role != sdk.Secondary || c.Primary.Incarnation == "" {
					break
				}
			}
		}
		if err := b.Close(); err != nil {
			t.Fatalf("round %d: close b: %v", round, err)
		}
		wg.Wait()
		if c := boot(t, dir, named("c")); c.Role() != sdk.Primary {
			t.Fatalf("round %d: role %q of the next instance", round, c.Role())
		} else if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCloseDuringMigration: the migration learns of it through its context.
func TestCloseDuringMigration(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a := boot(t, dir)
	began := make(chan struct{})
	b := boot(t, dir, func(c *kernel.Config) {
		c.SchemaVersion = 7
		c.Migrate = func(ctx context.Context, _ *sql.DB) error {
			close(began)
			<-ctx.Done()
			return ctx.Err()
		}
	})
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-began:
	case <-within(t).Done():
		t.Fatal("the migration never began")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if c := boot(t, dir); c.Role() != sdk.Primary {
		t.Errorf("role %q", c.Role())
	}
}

// TestFailedBootstrapLeaksNothing: at each stage that can fail, the next Bootstrap
// in the same process gets everything.
func TestFailedBootstrapLeaksNothing(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	boom := errors.New("boom")
	for name, change := range map[string]func(*kernel.Config){
		"options": func(c *kernel.Config) { c.Options = map[string][]byte{"store-sqlite": []byte("{")} },
		"migrate": func(c *kernel.Config) {
			c.SchemaVersion, c.Migrate = 1, func(context.Context, *sql.DB) error { return boom }
		},
		"migrate into no table": func(c *kernel.Config) {
			c.SchemaVersion, c.Migrate = 1, func(ctx context.Context, db *sql.DB) error {
				_, err := db.ExecContext(ctx, "INSERT INTO none VALUES(1)")
				return err
			}
		},
	} {
		_, err := try(t, dir, change)
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		if name == "migrate" && !errors.Is(err, boom) {
			t.Errorf("%s: %v does not hold the cause", name, err)
		}
		i := boot(t, dir, named("after "+name))
		if i.Role() != sdk.Primary {
			t.Fatalf("%s: role %q afterwards", name, i.Role())
		}
		mustExec(t, i, "CREATE TABLE IF NOT EXISTS t(x)")
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBootstrapCancelled(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	i, err := kernel.Bootstrap(ctx, kernel.Config{Workdir: dir, Plugins: plugins(t)})
	if i != nil || err == nil {
		t.Fatalf("instance %v, error %v, want an error", i, err)
	}
	if i := boot(t, dir); i.Role() != sdk.Primary {
		t.Errorf("role %q", i.Role())
	}
}

// TestClosedInstanceNeverWins: a goroutine left in a blocking flock won the lock
// after Close, in a process that lived on.
func TestClosedInstanceNeverWins(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a := boot(t, dir, named("a"))
	for n := range 8 {
		if err := boot(t, dir, named(fmt.Sprint("closed", n))).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := kernel.Inspect(within(t), kernel.Config{Workdir: dir, Plugins: plugins(t)})
	if err != nil || st.Primary != "" || st.Epoch != 1 {
		t.Errorf("primary %q of epoch %d (%v), want nobody and 1", st.Primary, st.Epoch, err)
	}
	b := boot(t, dir, named("b"))
	if b.Role() != sdk.Primary || b.Lease().Epoch != 2 {
		t.Errorf("role %q, epoch %d, want primary of 2", b.Role(), b.Lease().Epoch)
	}
}

// TestEverythingSaysClosed: what an instance handed out stays callable after Close
// and says so.
func TestEverythingSaysClosed(t *testing.T) {
	sdktest.NoLeaks(t)
	dir := t.TempDir()
	a, b := boot(t, dir), boot(t, dir)
	mustExec(t, a, "CREATE TABLE t(x)")
	for _, i := range []*kernel.Instance{b, a} {
		sub, err := i.Bus().Subscribe(within(t), "x")
		if err != nil {
			t.Fatal(err)
		}
		feed, err := i.Changes(within(t), sdk.Position{})
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Close(); err != nil {
			t.Fatal(err)
		}
		ctx := within(t)
		_, exec := i.DB().ExecContext(ctx, "INSERT INTO t VALUES(1)")
		_, begin := i.DB().BeginTx(ctx, nil)
		_, next := sub.Next(ctx)
		_, call := i.Bus().Call(ctx, "m", nil)
		_, again := i.Bus().Subscribe(ctx, "x")
		_, handle := i.Bus().Handle("m", func(context.Context, []byte) ([]byte, error) { return nil, nil })
		_, changes := i.Changes(ctx, sdk.Position{})
		var change error
		for change == nil {
			_, change = feed.Next(ctx)
		}
		_, status := i.Status(ctx)
		for what, err := range map[string]error{"Next": next, "Call": call, "Subscribe": again, "Handle": handle,
			"Publish": i.Bus().Publish(ctx, "x", nil), "Changes": changes, "feed": change, "Status": status} {
			if !errors.Is(err, sdk.ErrClosed) {
				t.Errorf("%s after Close: %v, want ErrClosed", what, err)
			}
		}
		for what, err := range map[string]error{"Exec": exec, "Begin": begin} { // database/sql has no error value of its own
			if err == nil || !strings.Contains(err.Error(), "closed") {
				t.Errorf("%s after Close: %v", what, err)
			}
		}
		if err := i.Confirm(ctx); !errors.Is(err, sdk.ErrNotPrimary) {
			t.Errorf("Confirm after Close: %v", err)
		}
		i.Watcher().SetEnabled(true)
		for c := range i.Roles(ctx) {
			t.Errorf("a role change after Close: %+v", c)
		}
		if err := feed.Close(); err != nil {
			t.Errorf("close feed: %v", err)
		}
	}
}

package forward

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ramet-io/ramet/plugins/transport-unix/unix"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// side is the kernel's side of a real server: it has a Writer and nothing else.
type side struct{ w *Writer }

func (s side) Handle(ctx context.Context, from sdk.Peer, m sdk.Message) ([]byte, error) {
	b, _, err := s.w.Handle(ctx, from, m)
	return b, err
}
func (side) Published(context.Context, sdk.Peer, sdk.Event) {}
func (s side) Ended(from sdk.Peer)                          { s.w.Ended(from) }

// serve makes the local writer the target over a real socket. The server and the
// link end with stop.
func (w *world) serve(tr sdk.Transport, dir string) (stop func()) {
	w.t.Helper()
	ctx := w.t.Context()
	w.mu.Lock()
	t := w.target
	w.mu.Unlock()
	scope := sdk.Scope{Workspace: "w", Epoch: t.Epoch, Incarnation: incarnation}
	srv, err := tr.Serve(ctx, scope, []sdk.Endpoint{sdk.Endpoint("unix://" + filepath.Join(dir, "s"))}, side{t.Local})
	if err != nil {
		w.t.Fatal(err)
	}
	l, err := tr.Dial(ctx, scope, srv.Bound())
	if err != nil {
		w.t.Fatal(err)
	}
	t.Local, t.Link = nil, l
	w.set(t, nil)
	return sync.OnceFunc(func() {
		ctx := context.Background()
		if err := srv.Close(ctx); err != nil {
			w.t.Error(err)
		}
		l.Close(ctx)
	})
}

func TestOverRealSockets(t *testing.T) {
	sdktest.NoLeaks(t)
	run, err := unix.New().Open(t.Context(), sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { run.Close(context.Background()) })
	dir := filepath.Join(t.TempDir(), "p")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	old := w.target.Local
	stop := w.serve(run.Transport(), dir)
	t.Cleanup(stop)
	c := w.client()
	tx := begin(t, c, sdk.TxOptions{})
	txIncr(t, tx)
	if _, err := tx.Commit(t.Context(), sdk.Request{}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 { // writers that a failover in their midst does not disturb
		all.Go(func() {
			for range 25 {
				if _, err := incr(t.Context(), c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	until(t, func() bool { return w.value("SELECT n FROM c").(int64) > 50 })
	lost := begin(t, c, sdk.TxOptions{Idle: time.Minute, Total: time.Minute})
	stop() // rolls it back: Advance could not get the database otherwise
	if err := old.Close(t.Context()); err != nil {
		t.Error(err)
	}
	w.promote(WriterOptions{})
	t.Cleanup(w.serve(run.Transport(), dir))
	all.Wait()
	w.counter(201)
	_, err = lost.Exec(t.Context(), stmt(increment))
	is(t, err, sdk.ErrTxLost)
}

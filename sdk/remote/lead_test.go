//go:build unix

package remote

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

func openDB(t testing.TB, r sdk.Running) sdk.DB {
	t.Helper()
	db, err := r.Store().Open(within(t), sdk.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestBriefRequestThatIsSlowDelaysNobody: the plugin's reader runs it, and is
// relieved.
func TestBriefRequestThatIsSlowDelaysNobody(t *testing.T) {
	eachCarrier(t, func(t *testing.T, p Program) {
		r := openProgram(t, p, nil)
		db := openDB(t, r)
		var slow atomic.Bool
		slow.Store(true)
		done := make(chan error, 1)
		go func() {
			_, err := db.Prepare(within(t), "slow")
			slow.Store(false)
			done <- err
		}()
		eventually(t, "it runs", func() bool { return r.c.conn.inFlight() > 0 })
		time.Sleep(5 * time.Millisecond) // so that it is there first
		if _, err := r.Watcher().Judge(within(t), sdk.Evidence{}); err != nil {
			t.Fatal(err)
		}
		if !slow.Load() {
			t.Error("the second call waited for the first")
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestCallersComeAndGo: alone, together, cancelled, brief and not, so that the lead
// changes hands all the time.
func TestCallersComeAndGo(t *testing.T) {
	eachCarrier(t, func(t *testing.T, p Program) {
		r := openProgram(t, p, nil)
		db, l := openDB(t, r), dial(t, r)
		var wg sync.WaitGroup
		for caller := range 4 {
			wg.Go(func() {
				for n := range 300 {
					text := fmt.Sprintf("%d of %d", n, caller)
					if got, err := db.Prepare(within(t), text); err != nil || got.Reason != text {
						t.Errorf("got %q, %v, want %q", got.Reason, err, text)
						return
					}
					switch n % 100 {
					case 30: // alone for longer than a tick
						time.Sleep(3 * time.Millisecond)
					case 60:
						ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
						if _, err := l.Call(ctx, sdk.Message{Op: "wait"}); err == nil {
							t.Error("a call that waits for its context had a result")
						}
						cancel()
					}
				}
			})
		}
		wg.Wait()
	})
}

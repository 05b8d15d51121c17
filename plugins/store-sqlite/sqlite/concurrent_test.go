package sqlite

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// TestAcknowledgedWriteIsReadAtOnce writes on one handle and reads each
// acknowledged value on others, which open and close meanwhile.
func TestAcknowledgedWriteIsReadAtOnce(t *testing.T) {
	d, epoch := primary(t)
	must(t, d, epoch, "CREATE TABLE n(v INTEGER)", "INSERT INTO n VALUES (0)")
	acked := make(chan int64, 64)
	var wg sync.WaitGroup
	for range 3 {
		s := open(t, d.path, sdk.Secondary)
		wg.Go(func() {
			for want := range acked {
				r, err := s.Query(context.Background(), sdk.Query{Statement: stmt("SELECT v FROM n")})
				if err != nil {
					t.Error(err)
					continue
				}
				b, err := r.Next(context.Background())
				if err != nil || b.Rows[0][0].(int64) < want {
					t.Errorf("read %v (%v) after %d was acknowledged", b.Rows, err, want)
				}
				_ = r.Close()
			}
		})
	}
	for i := int64(1); i <= 300; i++ {
		must(t, d, epoch, "UPDATE n SET v = v + 1")
		acked <- i
	}
	close(acked)
	wg.Wait()
}

// TestTakeoverUnderLoadLosesNothing lets two handles fight for the epoch while
// each applies writes: what was acknowledged is there exactly once.
func TestTakeoverUnderLoadLosesNothing(t *testing.T) {
	a, epoch := primary(t)
	must(t, a, epoch, "CREATE TABLE t(who TEXT, n INTEGER)")
	b := open(t, a.path, sdk.Primary)
	ctx := bounded(t)
	acked := map[string]int64{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for who, d := range map[string]*db{senderA: a, senderB: b} {
		wg.Go(func() {
			n := uint64(0)
			for round := 0; round < 20; round++ {
				st, err := d.Status(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				g, err := d.Advance(ctx, sdk.Fence{Observed: st.Epoch})
				if sdk.CodeOf(err) == sdk.CodeOf(sdk.ErrFenced) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				for range 5 {
					n++
					r := withID(sdk.Request{Statements: []sdk.Statement{stmt("INSERT INTO t VALUES (?, ?)", who, int64(n))}}, who, n, 0)
					res, err := d.Apply(ctx, g.Epoch, []sdk.Request{r, r})
					if err != nil {
						break
					}
					if res[0].Err != nil || !res[1].Replayed {
						t.Errorf("results %+v", res)
					}
					mu.Lock()
					acked[who]++
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	for who, want := range acked {
		if got := query(t, a, "SELECT count(*), count(DISTINCT n) FROM t WHERE who = ?", who)[0]; got[0] != want || got[1] != want {
			t.Errorf("%s: %v rows, %d acknowledged", who[:1], got, want)
		}
	}
	if n := len(allChanges(t, a, sdk.Position{})); int64(n) != acked[senderA]+acked[senderB] {
		t.Errorf("%d changes, want %d", n, acked[senderA]+acked[senderB])
	}
}

func TestCloseWaitsForCalls(t *testing.T) {
	d, _ := primary(t)
	if err := d.gate.enter(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	wantError(t, d.Close(ctx), sdk.ErrUnclean)
	d.gate.leave()
	if err := d.Close(bounded(t)); err != nil {
		t.Fatal(err)
	}
}

func TestPluginRefusesUnknownOptions(t *testing.T) {
	_, err := New().Open(bounded(t), sdk.Env{Options: []byte(`{"fast": true}`)})
	wantError(t, err, sdk.ErrInvalid)
	r, err := New().Open(bounded(t), sdk.Env{Options: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	h, err := r.WaitHealth(bounded(t), 0)
	if err != nil || h.Condition != sdk.Ready {
		t.Error(h, err)
	}
	if err := r.Close(bounded(t)); err != nil {
		t.Error(err)
	}
	_, err = r.WaitHealth(bounded(t), h.Number)
	wantError(t, err, sdk.ErrClosed)
	_, err = r.Store().Open(bounded(t), sdk.OpenOptions{Path: t.TempDir() + "/a.db", Role: sdk.Primary})
	wantError(t, err, sdk.ErrClosed)
}

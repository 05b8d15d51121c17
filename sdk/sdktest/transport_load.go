package sdktest

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// What holds under load: libraries below a transport break it first.
var transportLoads = []transportTest{
	{"large calls of one link hold up no other", loadLargeCalls},
	{"no call is executed twice, and the error says whether it was", loadOnce},
	{"nothing is missed after subscribe returned, whatever the load", loadJoin},
	{"publish waits for a handler that is slow, and only that link's", loadBackPressure},
}

func loadLargeCalls(r *transportRig) {
	s := r.serve(transportHandler{})
	heavy, light := r.dial(s), r.dial(s)
	large := bytes.Repeat([]byte("large"), sdk.MaxMessageBytes/5)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got, err := heavy.Call(r.ctx, sdk.Message{Op: "x", Body: large}); err != nil || !bytes.Equal(got, large) {
					r.Errorf("large call: %d bytes, %v", len(got), err)
					return
				}
			}
		})
	}
	for n := range 200 {
		body := fmt.Append(nil, n)
		if got, err := light.Call(r.ctx, sdk.Message{Op: "x", Body: body}); err != nil || !bytes.Equal(got, body) {
			r.Errorf("small call beside large ones: got %q, %v", got, err)
			break
		}
	}
	close(done)
	wg.Wait()
}

// loadOnce gives up on calls at random moments and ends the server in the middle. What
// came of each call must agree with how often the handler saw it.
func loadOnce(r *transportRig) {
	const callers, each = 16, 150
	seed := rand.Uint64()
	r.Logf("seed %d", seed)
	var executed [callers * each]atomic.Int32
	s := r.serve(transportHandler{handle: func(_ context.Context, _ sdk.Peer, m sdk.Message) ([]byte, error) {
		executed[binary.BigEndian.Uint32(m.Body)].Add(1)
		return nil, nil
	}})
	links := []sdk.Link{r.dial(s), r.dial(s)}
	var answered atomic.Int32
	var wg sync.WaitGroup
	for c := range callers {
		rnd := rand.New(rand.NewPCG(seed, uint64(c)))
		wg.Go(func() {
			for n := range each {
				id := c*each + n
				ctx, cancel := context.WithTimeout(r.ctx, time.Duration(rnd.IntN(400))*time.Microsecond)
				if n%2 == 0 {
					ctx = r.ctx
				}
				_, err := links[c%2].Call(ctx, sdk.Message{Op: "x", Body: binary.BigEndian.AppendUint32(nil, uint32(id))})
				cancel()
				switch times := executed[id].Load(); {
				case err == nil && times != 1:
					r.Errorf("answered, executed %d times", times)
				case errors.Is(err, sdk.ErrOutcomeUnknown):
				case err != nil && !errors.Is(err, sdk.ErrUnavailable):
					r.Errorf("call: %v", err)
				case err == nil:
					answered.Add(1)
				}
				if errors.Is(err, sdk.ErrUnavailable) && !errors.Is(err, sdk.ErrOutcomeUnknown) {
					executed[id].Add(100) // must stay at that
				}
			}
		})
	}
	for answered.Load() < callers*each/4 && r.ctx.Err() == nil {
		time.Sleep(time.Millisecond) // between two looks
	}
	r.close("server", s)
	wg.Wait()
	for id := range executed {
		if n := executed[id].Load(); n != 0 && n != 1 && n != 100 {
			r.Errorf("call %d: executed %d times, 100 for an error that says it was not", id, n)
		}
	}
}

func loadJoin(r *transportRig) {
	s := r.serve(transportHandler{})
	l := r.dial(s)
	var begun atomic.Uint64 // number of the last event whose Publish was called
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for n := uint64(1); ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			begun.Store(n)
			r.publish(s, sdk.Event{Topic: "t", Epoch: n})
			if n%64 == 0 {
				time.Sleep(100 * time.Microsecond) // a load, not a flood: readers must be able to follow
			}
		}
	})
	for range 30 {
		sub := r.subscribe(l, "t")
		before := begun.Load()
		e := r.next(sub)
		if e.Epoch-e.Lost > before+1 {
			r.Errorf("event %d was the last before Subscribe returned, the first to come was %d with Lost %d", before, e.Epoch, e.Lost)
		}
		for last := e.Epoch; last < before+20; last = e.Epoch {
			if e = r.next(sub); e.Epoch != last+1+e.Lost {
				r.Errorf("event %d after %d with Lost %d", e.Epoch, last, e.Lost)
			}
		}
		if err := sub.Close(); err != nil {
			r.Error(err)
		}
	}
	close(stop)
	wg.Wait()
}

func loadBackPressure(r *transportRig) {
	const size, most = 1 << 20, 256
	release := make(chan struct{})
	received := make(chan uint64, 2*most)
	s := r.serve(transportHandler{published: func(from sdk.Peer, e sdk.Event) {
		if e.Topic == "slow" {
			select {
			case <-release:
			case <-r.ctx.Done():
			}
			received <- e.Epoch
		}
	}})
	slow, other := r.dial(s), r.dial(s)
	body := make([]byte, size)
	accepted := uint64(0)
	for {
		ctx, cancel := context.WithTimeout(r.ctx, 200*time.Millisecond)
		err := slow.Publish(ctx, sdk.Event{Topic: "slow", Epoch: accepted + 1, Body: body})
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if accepted++; err != nil || accepted == most {
			r.Errorf("publish %d of %d bytes to a handler that takes none: %v", accepted, size, err)
			break
		}
	}
	if err := other.Publish(r.ctx, sdk.Event{Topic: "quick"}); err != nil {
		r.Errorf("publish on another link: %v", err)
	}
	if _, err := other.Call(r.ctx, sdk.Message{Op: "x"}); err != nil {
		r.Errorf("call on another link: %v", err)
	}
	close(release)
	for want := uint64(1); want <= accepted; want++ {
		if got := transportReceive(r, "event", received); got != want {
			r.Fatalf("event %d came, want %d", got, want)
		}
	}
}

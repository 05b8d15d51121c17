package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// floodRates are in events a second; 0 is as fast as it can.
var floodRates = []int{10_000, 20_000, 40_000, 80_000, 120_000, 0}

// floodAtOnce is how many events a flood without a pause has.
const floodAtOnce = 50_000

// TransportEvents are what came of a flood of events. Delivered, Reported and Silent
// count over all subscribers.
type TransportEvents struct {
	Kind       string  `json:"kind"`
	Rate       int     `json:"rate"` // wanted, a second; 0: no pause
	Publishing float64 `json:"publishing_s"`
	Took       float64 `json:"took_s"` // from the first Publish to the last arrival
	Published  int64   `json:"published"`
	Delivered  int64   `json:"delivered"`
	Reported   int64   `json:"reported"` // lost, and the subscriber was told
	Silent     int64   `json:"silent"`   // lost without a word
}

func (e TransportEvents) complete() bool { return e.Delivered == e.Published*transportSubscribers }

func (e TransportEvents) base() string { return baseOf(e.Kind) }

func (e TransportEvents) bare() bool { return strings.HasPrefix(e.Kind, "bare") }

func (e TransportEvents) percent(n int64) float64 {
	return 100 * float64(n) / float64(e.Published*transportSubscribers)
}

// floodAll floods the kinds in turn, at each rate.
func floodAll(all []subject, span time.Duration) (list []TransportEvents, err error) {
	for _, rate := range floodRates {
		n := int(float64(rate) * span.Seconds())
		if rate == 0 {
			n = floodAtOnce
		}
		for _, s := range all {
			e, err := floodOne(s, rate, n)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", s.kind(), err)
			}
			list = append(list, e)
		}
	}
	return list, nil
}

func floodOne(s subject, rate, n int) (TransportEvents, error) {
	got := s.arrived()
	got.delivered.Store(0)
	got.reported.Store(0)
	began := time.Now()
	if err := s.flood(rate, n); err != nil {
		return TransportEvents{}, err
	}
	e := TransportEvents{Kind: s.kind(), Rate: rate, Published: int64(n), Publishing: time.Since(began).Seconds()}
	want := int64(n) * transportSubscribers
	for last, since := int64(-1), time.Now(); time.Since(since) < time.Second; { // until nothing has come for so long
		now := got.delivered.Load() + got.reported.Load()
		if now != last {
			last, since, e.Took = now, time.Now(), time.Since(began).Seconds()
		}
		if now >= want {
			break
		}
		time.Sleep(time.Millisecond)
	}
	e.Delivered, e.Reported = got.delivered.Load(), got.reported.Load()
	e.Silent = want - e.Delivered - e.Reported
	return e, nil
}

// strangers bother the server at an endpoint: some 300 connections a second that say
// nothing, garbage, or that 2^62 bytes follow. stop ends them and tells how many
// there were.
func strangers(ctx context.Context, at sdk.Endpoint) (stop func() int) {
	ctx, cancel := context.WithCancel(ctx)
	greeting := append([]byte{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0, 'N', 'U', 'L', 'L'}, make([]byte, 48)...)
	says := [][]byte{nil, bytes.Repeat([]byte{0xff}, 4096), []byte("GET / HTTP/1.1\r\n\r\n"),
		binary.BigEndian.AppendUint64(append(greeting, 2), 1<<62), greeting[:20]}
	path := strings.TrimPrefix(string(at), "zmq+ipc://")
	var made atomic.Int64
	var wg sync.WaitGroup
	for _, say := range says {
		wg.Go(func() {
			var open []net.Conn
			defer func() {
				for _, c := range open {
					_ = c.Close()
				}
			}()
			for tick := time.NewTicker(15 * time.Millisecond); ; {
				select {
				case <-ctx.Done():
					tick.Stop()
					return
				case <-tick.C:
				}
				c, err := net.Dial("unix", path)
				if err != nil {
					continue
				}
				made.Add(1)
				_ = c.SetDeadline(time.Now().Add(10 * time.Millisecond))
				_, _ = c.Write(say)
				if open = append(open, c); len(open) > 100 {
					_ = open[0].Close()
					open = open[1:]
				}
			}
		})
	}
	return func() int {
		cancel()
		wg.Wait()
		return int(made.Load())
	}
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/demo"
)

const (
	transportBytes       = 200 // of a question, of its answer and of an event
	transportBlock       = 500 // round trips before it is another's turn
	transportSubscribers = 8
)

// Transport is what the transports cost, beside the bare library that transport-zmq
// is made of. Client and server are processes of their own.
type Transport struct {
	Calls    []TransportCalls  `json:"calls"`
	Events   []TransportEvents `json:"events"`
	QuietUS  TransportTail     `json:"quiet"`  // calls on transport-zmq, nothing else going on
	AbusedUS TransportTail     `json:"abused"` // the same while strangers send what they should not
	Abuses   int               `json:"abuses"` // connections they made meanwhile
	Rounds   int               `json:"rounds"` // calls of each kind
	Machine  Machine           `json:"machine"`
}

// TransportCalls are the round trips of one kind, in microseconds. Ratio is to the
// bare library over the same kind of socket, the median of neighbouring blocks.
type TransportCalls struct {
	Kind  string  `json:"kind"`
	P50   float64 `json:"p50_us"` // median of the blocks' medians
	Least float64 `json:"least_us"`
	Most  float64 `json:"most_us"`
	Ratio float64 `json:"ratio"`
}

// TransportTail is a part of a distribution.
type TransportTail struct {
	P50 float64 `json:"p50_us"`
	P99 float64 `json:"p99_us"`
}

// RunTransport measures rounds calls of each kind and floods of events of about span.
func RunTransport(ctx context.Context, parent string, rounds int, span time.Duration) (r Transport, err error) {
	dir, err := os.MkdirTemp(parent, "rb-") // short: it becomes part of socket addresses
	if err != nil {
		return Transport{}, err
	}
	defer os.RemoveAll(dir)
	r = Transport{Rounds: rounds, Machine: thisMachine()}
	var all []subject
	defer func() {
		for _, s := range all {
			err = errors.Join(err, s.end())
		}
	}()
	for _, kind := range transportKinds {
		s, err := startSubject(ctx, kind, dir)
		if err != nil {
			return r, fmt.Errorf("%s: %w", kind, err)
		}
		all = append(all, s)
	}
	if r.Calls, err = timeCalls(all, rounds); err != nil {
		return r, err
	}
	if r.Events, err = floodAll(all, span); err != nil {
		return r, err
	}
	return r, r.abuse(ctx, all, span)
}

// timeCalls lets the kinds take turns.
func timeCalls(all []subject, rounds int) ([]TransportCalls, error) {
	medians := make([][]float64, len(all))
	for turn := range (rounds+transportBlock-1)/transportBlock + 1 { // the first warms up
		for i, s := range all {
			took, err := timeBlock(s)
			if err != nil {
				return nil, err
			}
			if turn > 0 {
				medians[i] = append(medians[i], micros(took))
			}
		}
	}
	list := make([]TransportCalls, len(all))
	for i, s := range all {
		base := medians[slices.IndexFunc(all, func(o subject) bool { return o.kind() == s.base() })]
		var ratios []float64
		for turn, m := range medians[i] {
			ratios = append(ratios, m/base[turn])
		}
		list[i] = TransportCalls{Kind: s.kind(), P50: median(medians[i]), Ratio: median(ratios),
			Least: slices.Min(medians[i]), Most: slices.Max(medians[i])}
	}
	return list, nil
}

func timeBlock(s subject) ([]time.Duration, error) {
	took := make([]time.Duration, transportBlock)
	for n := range took {
		began := time.Now()
		if err := s.round(); err != nil {
			return nil, fmt.Errorf("%s: %w", s.kind(), err)
		}
		took[n] = time.Since(began)
	}
	return took, nil
}

// timeFor times as many calls as go into d.
func timeFor(s subject, d time.Duration) (took []time.Duration, err error) {
	for until := time.Now().Add(d); time.Now().Before(until); {
		block, err := timeBlock(s)
		if err != nil {
			return nil, err
		}
		took = append(took, block...)
	}
	return took, nil
}

func median(list []float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// abuse measures the tail of calls with and without strangers, in turns.
func (r *Transport) abuse(ctx context.Context, all []subject, span time.Duration) error {
	s := all[slices.IndexFunc(all, func(s subject) bool { return s.kind() == "zmq ipc" })].(*linked)
	var quiet, abused []time.Duration
	for range 4 {
		took, err := timeFor(s, 2*span)
		if err != nil {
			return err
		}
		quiet = append(quiet, took...)
		stop := strangers(ctx, s.at)
		took, err = timeFor(s, 2*span)
		r.Abuses += stop()
		if err != nil {
			return err
		}
		abused = append(abused, took...)
	}
	tail := func(took []time.Duration) TransportTail {
		q := demo.Quantiles(took)
		return TransportTail{P50: 1000 * q.P50, P99: 1000 * q.P99}
	}
	r.QuietUS, r.AbusedUS = tail(quiet), tail(abused)
	return nil
}

// Err says if an event was lost without a word, or at a rate with which the bare
// library keeps up.
func (r Transport) Err() error {
	var errs []error
	for _, e := range r.Events {
		if e.Silent > 0 && !e.bare() {
			errs = append(errs, fmt.Errorf("%s: %d events were lost and not reported", e.Kind, e.Silent))
		}
		if e.Rate > 0 && e.Rate <= r.keepsUp(e.base()) && !e.complete() {
			errs = append(errs, fmt.Errorf("%s lost events at %d a second, with which %s keeps up", e.Kind, e.Rate, e.base()))
		}
	}
	return errors.Join(errs...)
}

// keepsUp returns the highest rate up to which a kind delivered everything as fast as
// it was published.
func (r Transport) keepsUp(kind string) (rate int) {
	for _, e := range r.Events {
		if e.Kind == kind && e.Rate > 0 {
			if !e.complete() || e.Took > 1.1*float64(e.Published)/float64(e.Rate)+0.05 {
				return rate
			}
			rate = e.Rate
		}
	}
	return rate
}

// Print prints the figures for people.
func (r Transport) Print(out io.Writer) error {
	for _, c := range r.Calls {
		line := fmt.Sprintf("call, %-9s %7.1f us  (%.1f to %.1f)", c.Kind, c.P50, c.Least, c.Most)
		if c.Ratio != 1 {
			line += fmt.Sprintf("  %.2fx the bare library", c.Ratio)
		}
		fmt.Fprintln(out, line)
	}
	fmt.Fprintf(out, "%d calls of each kind in turns of %d, %d bytes each way; medians of turns\n\n", r.Rounds, transportBlock, transportBytes)
	for _, e := range r.Events {
		rate := fmt.Sprintf("%d/s", e.Rate)
		if e.Rate == 0 {
			rate = "no pause"
		}
		fmt.Fprintf(out, "events, %-9s %9s  published %6d in %.2f s, all there after %.2f s: delivered %6.2f %%  reported lost %5.2f %%  lost silently %5.2f %%\n",
			e.Kind, rate, e.Published, e.Publishing, e.Took, e.percent(e.Delivered), e.percent(e.Reported), e.percent(e.Silent))
	}
	for _, kind := range transportKinds {
		fmt.Fprintf(out, "%s keeps up with %d/s\n", kind, r.keepsUp(kind))
	}
	fmt.Fprintf(out, "to %d subscribers, %d bytes; the bare library's queue has no bound\n\n", transportSubscribers, transportBytes)
	tail := func(name string, t TransportTail) {
		fmt.Fprintf(out, "call, zmq ipc, %-16s p50 %7.1f us  p99 %7.1f us\n", name, t.P50, t.P99)
	}
	tail("quiet", r.QuietUS)
	tail("among strangers", r.AbusedUS)
	fmt.Fprintf(out, "p99 among strangers %.2fx (target 2x); they made %d connections\n", ratio(r.AbusedUS.P99, r.QuietUS.P99), r.Abuses)
	_, err := fmt.Fprintf(out, "%d cores, %s/%s, %s, %s\n", r.Machine.Cores, r.Machine.OS, r.Machine.Arch, r.Machine.Kernel, r.Machine.Go)
	return err
}

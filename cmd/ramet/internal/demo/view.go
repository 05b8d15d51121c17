package demo

import (
	"fmt"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/mono"
)

const viewEvery = 100 * time.Millisecond

// view shows a person what happens: a line for each event and, on a terminal, a
// line at the bottom that changes.
type view struct {
	d     *director
	shown bool // the bottom line is on the screen
	at    time.Duration
	acked int
	rate  float64
	tick  *time.Ticker
}

func newView(d *director) *view {
	v := &view{d: d, at: mono.Now(), tick: time.NewTicker(viewEvery)}
	fmt.Fprintf(d.o.Out, "%d processes over %s, seed %d\n", d.o.Instances, d.o.Workdir, d.o.Seed)
	return v
}

// say prints an event.
func (v *view) say(format string, args ...any) {
	v.clear()
	fmt.Fprintf(v.d.o.Out, "%8.3fs  %s\n", (mono.Now() - v.d.began).Seconds(), fmt.Sprintf(format, args...))
}

func (v *view) clear() {
	if v.shown {
		fmt.Fprint(v.d.o.Out, "\r\x1b[K")
		v.shown = false
	}
}

// show draws the bottom line.
func (v *view) show() {
	now := mono.Now()
	if passed := now - v.at; passed >= 500*time.Millisecond {
		v.rate = float64(len(v.d.rows)-v.acked) / passed.Seconds()
		v.at, v.acked = now, len(v.d.rows)
	}
	if !v.d.o.Live {
		return
	}
	primary := "nobody"
	if p := v.d.primary(); p != nil {
		primary = fmt.Sprintf("%s, epoch %d", p.name, p.epoch)
	}
	v.clear()
	fmt.Fprintf(v.d.o.Out, "%8.3fs  primary %s | %d alive | %.0f writes/s | %d acknowledged | %d kills, %d stops",
		(now - v.d.began).Seconds(), primary, v.d.living(), v.rate, len(v.d.rows), len(v.d.kills), v.d.stops)
	v.shown = true
}

func (v *view) close() {
	v.tick.Stop()
	v.clear()
}

package demo

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/mono"
)

// Result is what the processes did. Its JSON form is stable: fields are added,
// never renamed.
type Result struct {
	Instances   int      `json:"instances"`
	Kills       int      `json:"kills"`        // made, not asked for
	Stops       int      `json:"stops"`        // after which another took over
	StopsHeld   int      `json:"stops_held"`   // further stops in which nobody took over in time, as one that holds a transaction open
	PluginKills int      `json:"plugin_kills"` // plugin programs killed, of any node
	Promotions  int      `json:"promotions"`   // epochs that a node served, without the first
	Acked       int      `json:"acked"`        // acknowledged writes
	Lost        int      `json:"lost"`         // acknowledged and not in the database
	Duplicated  int      `json:"duplicated"`   // rows of a write that has one already
	Misreported int      `json:"misreported"`  // acknowledged as another row than it is
	Unknown     int      `json:"unknown"`      // writes whose caller was told that the outcome is unknown
	Fenced      uint64   `json:"fenced"`       // times the store refused an old primary
	Replayed    uint64   `json:"replayed"`     // writes answered from their recorded result
	GapMS       Quantile `json:"gap_ms"`       // of Gaps
	Feed        Feed     `json:"feed"`
	Integrity   string   `json:"integrity"` // "ok" or what is wrong
	Failures    []string `json:"failures"`  // everything else that went wrong
	Seed        int64    `json:"seed"`
	DurationS   float64  `json:"duration_s"` // from start to the last node's end

	// Gaps holds, for each kill, the longest time between two acknowledgements that
	// a surviving node saw around it.
	Gaps []time.Duration `json:"-"`
	// Takeovers holds, for each kill, the time until another node knew that it is
	// primary.
	Takeovers []time.Duration `json:"-"`
	// Deaths holds, for each kill, the time until the killed process was gone.
	Deaths []time.Duration `json:"-"`
}

// Feed is what the change feeds of the nodes alive at the end showed.
type Feed struct {
	Rows       int `json:"rows"`       // shown, over all feeds
	Missing    int `json:"missing"`    // acknowledged, not shown and not behind a gap
	Duplicated int `json:"duplicated"` // shown again
	Unexpected int `json:"unexpected"` // shown and not in the database
	Gaps       int `json:"gaps"`       // said so
}

// Quantile describes durations in milliseconds.
type Quantile struct {
	P50   float64 `json:"p50"`
	P99   float64 `json:"p99"`
	Max   float64 `json:"max"`
	Count int     `json:"count"`
}

// Quantiles describes d by nearest rank; zero if d is empty.
func Quantiles(d []time.Duration) Quantile {
	if len(d) == 0 {
		return Quantile{}
	}
	d = slices.Sorted(slices.Values(d))
	at := func(q float64) float64 {
		i := int(math.Ceil(q*float64(len(d)))) - 1
		return math.Round(float64(d[max(i, 0)])/float64(time.Microsecond)) / 1000
	}
	return Quantile{P50: at(0.50), P99: at(0.99), Max: at(1), Count: len(d)}
}

// Err says what was wrong; nil if everything held.
func (r Result) Err() error {
	var faults []string
	for _, f := range []struct {
		n    int
		what string
	}{
		{r.Lost, "writes lost"}, {r.Duplicated, "rows duplicated"}, {r.Misreported, "rows misreported"},
		{r.Feed.Missing, "rows missing in a feed"}, {r.Feed.Duplicated, "rows shown twice by a feed"},
		{r.Feed.Unexpected, "rows shown by a feed that do not exist"},
	} {
		if f.n > 0 {
			faults = append(faults, fmt.Sprintf("%d %s", f.n, f.what))
		}
	}
	if r.Integrity != "ok" {
		faults = append(faults, "integrity: "+r.Integrity)
	}
	if faults = append(faults, r.Failures...); len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("the promises did not hold (seed %d): %s", r.Seed, strings.Join(faults, "; "))
}

// Print prints the closing table.
func (r Result) Print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, value any, note string) { fmt.Fprintf(t, "%s\t%v\t  %s\n", name, value, note) }
	fmt.Fprintln(t)
	row("instances", r.Instances, "")
	row("kills", r.Kills, "SIGKILL of the primary")
	row("stops", r.Stops, "SIGSTOP of the primary, taken over, resumed")
	row("stops held", r.StopsHeld, "further stops: nobody took over in time")
	if r.PluginKills > 0 {
		row("plugin kills", r.PluginKills, "SIGKILL of a plugin's process on any node")
	}
	row("promotions", r.Promotions, "")
	row("acked", r.Acked, "writes acknowledged")
	row("lost", r.Lost, "acknowledged and not there")
	row("duplicated", r.Duplicated, "there twice")
	row("unknown", r.Unknown, "outcome unknown to the caller")
	row("fenced", r.Fenced, "old primaries refused by the store")
	row("replayed", r.Replayed, "retries answered from the record")
	row("write gap p50", fmt.Sprintf("%.1f ms", r.GapMS.P50), "around a kill, as the survivors saw it")
	row("p99", fmt.Sprintf("%.1f ms", r.GapMS.P99), "")
	row("max", fmt.Sprintf("%.1f ms", r.GapMS.Max), "")
	row("feed rows", r.Feed.Rows, fmt.Sprintf("%d missing, %d twice, %d unexpected, %d gaps",
		r.Feed.Missing, r.Feed.Duplicated, r.Feed.Unexpected, r.Feed.Gaps))
	row("integrity", r.Integrity, "SQLite's check, foreign keys, counts, full-text index")
	row("seed", r.Seed, "")
	if err := t.Flush(); err != nil {
		return err
	}
	for _, f := range r.Failures {
		fmt.Fprintln(out, "FAULT:", f)
	}
	return nil
}

// tally sums up what the nodes told.
func (d *director) tally() Result {
	r := Result{Instances: d.o.Instances, Kills: len(d.kills), Stops: d.stops, StopsHeld: d.held, PluginKills: d.plugins, Promotions: max(len(d.epochs)-1, 0),
		Acked: len(d.rows), Failures: append([]string{}, d.failures...), Seed: d.o.Seed,
		DurationS: math.Round((mono.Now()-d.began).Seconds()*100) / 100}
	for _, c := range d.all {
		r.Unknown += c.unknown
		r.Fenced += c.counters.Fenced
		r.Replayed += c.counters.Replayed
	}
	for _, k := range d.kills {
		if gap := k.gap(); gap > 0 {
			r.Gaps = append(r.Gaps, gap)
		}
		if k.promoted > k.at {
			r.Takeovers = append(r.Takeovers, k.promoted-k.at)
		}
		if k.died > k.at {
			r.Deaths = append(r.Deaths, k.died-k.at)
		}
	}
	r.GapMS = Quantiles(r.Gaps)
	if len(d.kills) < d.o.Kills {
		r.Failures = append(r.Failures, fmt.Sprintf("%d of %d kills were made", len(d.kills), d.o.Kills))
	}
	if d.plugins < d.o.PluginKills {
		r.Failures = append(r.Failures, fmt.Sprintf("%d of %d kills of plugins were made", d.plugins, d.o.PluginKills))
	}
	return r
}

// gap returns the longest time between two acknowledgements of one survivor that
// overlaps the time without a primary; 0 if none of them wrote before and after.
func (k kill) gap() time.Duration {
	longest := time.Duration(0)
	for _, c := range k.survivors {
		for i := 1; i < len(c.acks); i++ {
			from, to := c.acks[i-1].at, c.acks[i].at
			if to > k.at && from < k.promoted {
				longest = max(longest, to-from)
			}
		}
	}
	return longest
}

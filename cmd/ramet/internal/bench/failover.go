package bench

import (
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/demo"
)

// Failover is the write gap after a kill against the floor F.
type Failover struct {
	Kills     int           `json:"kills"`
	Instances int           `json:"instances"`
	GapMS     demo.Quantile `json:"gap_ms"`      // as demo.Result.Gaps
	DeathMS   demo.Quantile `json:"death_ms"`    // SIGKILL to the killed process being gone
	TakeMS    demo.Quantile `json:"takeover_ms"` // SIGKILL to another node being primary: a part of the gap
	FloorMS   demo.Quantile `json:"f_ms"`        // SIGKILL to blocking flock returned
	RatioP50  float64       `json:"ratio_p50"`   // gap p50 / F p50
	RatioP99  float64       `json:"ratio_p99"`   // gap p99 / F p50
	Machine   Machine       `json:"machine"`
	Run       demo.Result   `json:"run"` // what else happened
}

// RunFailover kills the primary kills times among instances processes that write
// without a pause, and measures F after each. file is their assembly; "": bundled.
func RunFailover(ctx context.Context, parent, file string, instances, kills int, seed int64, progress io.Writer) (Failover, error) {
	dir, err := os.MkdirTemp(parent, "ramet-bench-")
	if err != nil {
		return Failover{}, err
	}
	defer os.RemoveAll(dir)
	var floors []time.Duration
	run, err := demo.Run(ctx, demo.Options{
		Instances: instances, Kills: kills, Assembly: file, Seed: seed, Out: progress,
		Workdir: filepath.Join(dir, "workspace"), TTL: 3 * time.Second, Settle: 100 * time.Millisecond,
		Floor: func() error {
			f, err := measureFloor(filepath.Join(dir, "lock"))
			if err != nil {
				return fmt.Errorf("measure F: %w", err)
			}
			floors = append(floors, f)
			return nil
		},
	})
	if err != nil {
		return Failover{}, err
	}
	r := Failover{Kills: run.Kills, Instances: instances, GapMS: run.GapMS, DeathMS: demo.Quantiles(run.Deaths), TakeMS: demo.Quantiles(run.Takeovers), FloorMS: demo.Quantiles(floors),
		Machine: thisMachine(), Run: run}
	r.RatioP50, r.RatioP99 = ratio(r.GapMS.P50, r.FloorMS.P50), ratio(r.GapMS.P99, r.FloorMS.P50)
	return r, nil
}

// Err returns what was wrong besides the figures; nil: nothing was lost or
// duplicated.
func (r Failover) Err() error { return r.Run.Err() }

// Print prints the figures for people.
func (r Failover) Print(out io.Writer) error {
	fmt.Fprintf(out, "failover: %d kills among %d processes (%d cores, %s %s, %s)\n",
		r.Kills, r.Instances, r.Machine.Cores, r.Machine.OS, r.Machine.Kernel, r.Machine.Go)
	line := func(name string, q demo.Quantile) {
		fmt.Fprintf(out, "%-10s p50 %8.2f ms  p99 %8.2f ms  max %8.2f ms  n %d\n", name, q.P50, q.P99, q.Max, q.Count)
	}
	line("write gap", r.GapMS)
	line("  takeover", r.TakeMS)
	line("  death", r.DeathMS)
	line("F", r.FloorMS)
	_, err := fmt.Fprintf(out, "ratio      p50 %8.1f F   p99 %8.1f F   (targets 10 and 45)\nacked %d, lost %d, duplicated %d\n",
		r.RatioP50, r.RatioP99, r.Run.Acked, r.Run.Lost, r.Run.Duplicated)
	return err
}

// ratio is a/b with two decimals; 0 if b is.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return math.Round(a/b*100) / 100
}

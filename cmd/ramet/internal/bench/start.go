package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/demo"
	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// Start is how long Bootstrap takes on a workspace that was used before.
type Start struct {
	PrimaryMS   demo.Quantile `json:"primary_ms"`
	SecondaryMS demo.Quantile `json:"secondary_ms"`
	Machine     Machine       `json:"machine"`
}

// RunStart measures runs starts on each role, in this process.
func RunStart(ctx context.Context, parent string, runs int) (Start, error) {
	dir, err := os.MkdirTemp(parent, "ramet-bench-")
	if err != nil {
		return Start{}, err
	}
	defer os.RemoveAll(dir)
	if _, err := timeStarts(ctx, dir, 1, sdk.Primary); err != nil { // makes the workspace
		return Start{}, err
	}
	primary, err := timeStarts(ctx, dir, runs, sdk.Primary)
	if err != nil {
		return Start{}, err
	}
	o, err := startOther(ctx, dir)
	if err != nil {
		return Start{}, err
	}
	defer o.end()
	secondary, err := timeStarts(ctx, dir, runs, sdk.Secondary)
	if err != nil {
		return Start{}, err
	}
	return Start{demo.Quantiles(primary), demo.Quantiles(secondary), thisMachine()}, nil
}

func timeStarts(ctx context.Context, dir string, runs int, want sdk.Role) ([]time.Duration, error) {
	took := make([]time.Duration, 0, runs)
	for range runs {
		began := time.Now()
		inst, err := kernel.Bootstrap(ctx, config(dir))
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		role := inst.Role()
		if err := inst.Close(); err != nil {
			return nil, err
		}
		if role != want {
			return nil, fmt.Errorf("the instance became %q instead of %q", role, want)
		}
	}
	return took, nil
}

// Err returns nil.
func (r Start) Err() error { return nil }

// Print prints the figures for people.
func (r Start) Print(out io.Writer) error {
	line := func(name string, q demo.Quantile, target int) {
		fmt.Fprintf(out, "Bootstrap, %-9s  p50 %6.2f ms  p99 %6.2f ms  max %6.2f ms  n %d  (target %d ms)\n",
			name, q.P50, q.P99, q.Max, q.Count, target)
	}
	line("primary", r.PrimaryMS, 15)
	line("secondary", r.SecondaryMS, 10)
	return nil
}

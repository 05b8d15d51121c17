package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/cmd/ramet/internal/available"
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

// RunStart measures runs starts on each role, in this process. file is the assembly;
// "": bundled. A start is all that a program does for it: the assembly is read and
// the plugin programs are launched too.
func RunStart(ctx context.Context, parent, file string, runs int) (Start, error) {
	dir, err := os.MkdirTemp(parent, "ramet-bench-")
	if err != nil {
		return Start{}, err
	}
	defer os.RemoveAll(dir)
	if _, err := timeStarts(ctx, file, dir, 1, sdk.Primary); err != nil { // makes the workspace
		return Start{}, err
	}
	primary, err := timeStarts(ctx, file, dir, runs, sdk.Primary)
	if err != nil {
		return Start{}, err
	}
	o, err := startOther(ctx, file, dir)
	if err != nil {
		return Start{}, err
	}
	defer o.end()
	secondary, err := timeStarts(ctx, file, dir, runs, sdk.Secondary)
	if err != nil {
		return Start{}, err
	}
	return Start{demo.Quantiles(primary), demo.Quantiles(secondary), thisMachine()}, nil
}

func timeStarts(ctx context.Context, file, dir string, runs int, want sdk.Role) ([]time.Duration, error) {
	took := make([]time.Duration, 0, runs)
	for range runs {
		began := time.Now()
		asm, err := assembly.Load(ctx, file, available.Plugins())
		if err != nil {
			return nil, err
		}
		cfg := kernel.Config{}
		asm.Apply(&cfg)
		cfg.Workdir, cfg.DataPath = dir, dataOf(file, dir)
		inst, err := kernel.Bootstrap(ctx, cfg)
		if err != nil {
			return nil, errors.Join(err, asm.Close())
		}
		took = append(took, time.Since(began))
		role := inst.Role()
		if err := errors.Join(inst.Close(), asm.Close()); err != nil {
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

package remote

import (
	"context"
	"encoding/binary"
	"runtime"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// TestAllocationsOfACall bounds what crossing the boundary allocates. The plugin
// counts for itself.
func TestAllocationsOfACall(t *testing.T) {
	const calls = 2000
	r := openProgram(t, program(t, "good"), nil)
	l, w, ctx := dial(t, r), r.Watcher(), context.Background()
	there := func() uint64 {
		b, err := l.Call(ctx, sdk.Message{Op: "allocations"})
		if err != nil {
			t.Fatal(err)
		}
		return binary.BigEndian.Uint64(b)
	}
	here := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.Mallocs
	}
	run := func(n int) {
		for range n {
			if _, err := w.Judge(ctx, sdk.Evidence{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(100) // fills the pools
	beforeThere, beforeHere := there(), here()
	run(calls)
	afterHere, afterThere := here(), there()
	host, plugin := float64(afterHere-beforeHere)/calls, float64(afterThere-beforeThere)/calls
	t.Logf("%.2f allocations per call on the host, %.2f in the plugin", host, plugin)
	if host > 2.1 || plugin > 1.1 { // the rest is pings and the measuring
		t.Errorf("%.2f allocations per call on the host, %.2f in the plugin; want 2 and 1 at most", host, plugin)
	}
}

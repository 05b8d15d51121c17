package sdktest

import (
	"runtime"
	"testing"
	"time"
)

// leakGrace is how long goroutines may take to end after a test. It is generous
// because it is only spent when something leaks.
const leakGrace = 10 * time.Second

// NoLeaks fails t if more goroutines run at its end than ran when NoLeaks was
// called. Call it first: clean-ups run in reverse order, so it then looks after
// everything the test registered was released. It polls, since a goroutine that
// was told to end may need a moment, and prints every stack on failure. It counts
// the goroutines of the whole process, so not for tests that run in parallel.
func NoLeaks(t *testing.T) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		deadline := time.Now().Add(leakGrace)
		for runtime.NumGoroutine() > before {
			if time.Now().After(deadline) {
				t.Errorf("%d goroutines at the start, %d at the end:\n%s",
					before, runtime.NumGoroutine(), leakStacks())
				return
			}
			time.Sleep(time.Millisecond) // between two looks at a condition, bounded above
		}
	})
}

// leakStacks returns the stacks of all goroutines, up to 1 MiB.
func leakStacks() []byte {
	buf := make([]byte, 1<<20)
	return buf[:runtime.Stack(buf, true)]
}

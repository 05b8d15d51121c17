package sdktest

import (
	"os"
	"testing"
)

// notRunVar names the file in which make test collects what did not run. With
// REQUIRE_ALL=1 make fails if there is anything in it.
const notRunVar = "RAMET_NOT_RUN"

// NotRun ends a test, or a part of one, that this machine does not let run. need
// names the right or program it lacks, and how to get it. A skipped test is not
// green: make test ends with a line for each.
func NotRun(t testing.TB, need string) {
	t.Helper()
	if name := os.Getenv(notRunVar); name != "" {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatalf("note that the test did not run: %v", err)
		}
		if _, err := f.WriteString(t.Name() + ": needs " + need + "\n"); err != nil {
			t.Errorf("note that the test did not run: %v", err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("note that the test did not run: %v", err)
		}
	}
	t.Skip("needs " + need)
}

// NeedRoot is NotRun unless the test runs as root.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		NotRun(t, "root, to act as two users")
	}
}

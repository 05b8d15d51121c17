package compat

import (
	"bufio"
	"context"
	"database/sql"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/sdk"
)

// patience bounds every wait. It is no part of what the tests assert.
const patience = 60 * time.Second

// primaryEnv makes the test binary run as the primary of the workspace it names.
const primaryEnv = "RAMET_COMPAT_PRIMARY"

func TestMain(m *testing.M) {
	if dir := os.Getenv(primaryEnv); dir != "" {
		os.Exit(servePrimary(dir))
	}
	os.Exit(m.Run())
}

// servePrimary says its role and serves until its input ends, which it does with
// the test.
func servePrimary(dir string) int {
	inst, err := kernel.Bootstrap(context.Background(), config(dir))
	if err != nil {
		os.Stdout.WriteString(err.Error() + "\n")
		return 1
	}
	os.Stdout.WriteString(string(inst.Role()) + "\n")
	_, _ = io.Copy(io.Discard, os.Stdin) // any end of it is the end
	_ = inst.Close()                     // the test has ended
	return 0
}

func config(dir string) kernel.Config {
	return kernel.Config{Workdir: dir, Plugins: bundled.All(), Failover: true}
}

func boot(t *testing.T, dir string, want sdk.Role) *kernel.Instance {
	t.Helper()
	inst, err := kernel.Bootstrap(t.Context(), config(dir))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inst.Close(); err != nil {
			t.Error(err)
		}
	})
	if got := inst.Role(); got != want {
		t.Fatalf("role %s, want %s", got, want)
	}
	return inst
}

// startPrimary starts a process that is primary in dir; it ends with the test.
func startPrimary(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), primaryEnv+"="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait() // a killed one says so
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if got := strings.TrimSpace(line); err != nil || got != string(sdk.Primary) {
		t.Fatalf("the child says %q (%v), want %s", got, err, sdk.Primary)
	}
	return cmd
}

// bare opens the plain driver as a program does that does not know ramet. Foreign
// keys are on, as in ramet.
func bare(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "bare.db")+
		"?_pragma=foreign_keys(1)&_pragma=journal_mode(wal)&_pragma=busy_timeout(10000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// secondary returns a handle of this process whose primary is another process.
func secondary(t *testing.T) (*sql.DB, *exec.Cmd) {
	t.Helper()
	dir := t.TempDir()
	child := startPrimary(t, dir)
	return boot(t, dir, sdk.Secondary).DB(), child
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

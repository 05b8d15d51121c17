package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// program is the real binary, built once; its plugin programs lie in plugins beside
// it.
var program string

func TestMain(m *testing.M) {
	os.Unsetenv(assemblyVariable) // of whoever runs the tests
	dir, err := os.MkdirTemp("", "ramet-cmd-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program = filepath.Join(dir, "ramet")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	code := 1
	if err := buildAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

// buildAll builds the program and the plugin programs as "make build" does.
func buildAll(dir string) error {
	plugins := filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o755); err != nil {
		return err
	}
	for _, args := range [][]string{
		{"build", "-o", program, "."},
		{"build", "-o", plugins, "../../plugins/store-sqlite", "../../plugins/transport-unix", "../../plugins/transport-zmq", "../../plugins/failover-lease"},
	} {
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("go %q: %w\n%s", args, err, out)
		}
	}
	return nil
}

// result is what one run of the program gave.
type result struct {
	out, errs string
	status    int
}

const runLimit = 3 * time.Minute

// ramet runs the program to its end.
func ramet(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), runLimit)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewBufferString(stdin), &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		t.Fatalf("ramet %q: %v, %v\n%s%s", args, err, ctx.Err(), &out, &errs)
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// works runs the program and wants status 0; it returns standard output.
func works(t *testing.T, args ...string) string {
	t.Helper()
	r := ramet(t, "", args...)
	if r.status != exitOK {
		t.Fatalf("ramet %q: exit %d\n%s%s", args, r.status, r.out, r.errs)
	}
	return r.out
}

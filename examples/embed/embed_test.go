package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestTwoProgramsWriteIntoOneDirectory compiles the program of the README and runs
// it twice at the same time, then once more.
func TestTwoProgramsWriteIntoOneDirectory(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	program := filepath.Join(t.TempDir(), "embed")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	workdir := t.TempDir()
	run := func() (string, error) {
		cmd := exec.CommandContext(ctx, program)
		cmd.Dir = workdir
		out, err := cmd.CombinedOutput()
		if err == nil && !strings.HasSuffix(strings.TrimSpace(string(out)), "error: <nil>") {
			err = fmt.Errorf("the program printed an error")
		}
		return string(out), err
	}
	type outcome struct {
		out string
		err error
	}
	done := make(chan outcome, 2)
	for range 2 {
		go func() {
			out, err := run()
			done <- outcome{out, err}
		}()
	}
	for range 2 {
		if o := <-done; o.err != nil {
			t.Errorf("%v\n%s", o.err, o.out)
		}
	}
	out, err := run()
	if want := "role: primary notes: 3 error: <nil>\n"; err != nil || out != want {
		t.Errorf("third run: got %q, %v, want %q", out, err, want)
	}
}

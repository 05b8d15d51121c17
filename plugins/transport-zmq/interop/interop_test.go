//go:build unix

// Package interop runs clients that are not ours against a primary on transport-zmq:
// in C on libzmq, and in Node on npm's zeromq.
package interop

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/plugins/transport-zmq/zmq"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// TestC needs a C compiler and libzmq3-dev, which brings libsodium.
func TestC(t *testing.T) {
	program := filepath.Join(t.TempDir(), "client")
	flags, err := exec.Command("pkg-config", "--cflags", "--libs", "libzmq", "libsodium").Output()
	if err != nil {
		sdktest.NotRun(t, "libzmq (Debian: apt-get install gcc libc6-dev pkg-config libzmq3-dev)")
	}
	args := append([]string{"-std=c11", "-Wall", "-Wextra", "-Werror", "-O1", "-o", program, "c/client.c"}, strings.Fields(string(flags))...)
	if out, err := exec.Command("cc", args...).CombinedOutput(); err != nil {
		t.Fatalf("compile: %v\n%s", err, out)
	}
	run(t, program)
}

// TestNode needs node and the packages of node/package.json.
func TestNode(t *testing.T) {
	probe := exec.Command("node", "-e", `require("zeromq")`)
	probe.Dir = "node"
	if err := probe.Run(); err != nil {
		sdktest.NotRun(t, "npm's zeromq (Debian: apt-get install nodejs npm; then make node)")
	}
	run(t, "node", "node/client.js")
}

func run(t *testing.T, client ...string) {
	for _, listen := range []string{"ipc", "tcp"} {
		t.Run(listen, func(t *testing.T) {
			r := start(t, listen, client)
			r.followsAndCalls()
			r.isRefusedWithout()
		})
	}
}

// rig is a primary and the command line of a client.
type rig struct {
	*testing.T
	ctx    context.Context
	inst   *kernel.Instance
	client []string
	secret string
}

func start(t *testing.T, listen string, client []string) *rig {
	t.Helper()
	sdktest.NoLeaks(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	runtime, err := os.MkdirTemp("", "z") // short: libzmq takes 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(runtime) })
	t.Setenv("XDG_RUNTIME_DIR", runtime)
	plugins := bundled.All()
	for n, p := range plugins {
		if p.Describe().Serves(sdk.StageTransport) {
			plugins[n] = zmq.New()
		}
	}
	dir := t.TempDir()
	inst, err := kernel.Bootstrap(ctx, kernel.Config{Workdir: dir, Plugins: plugins,
		Options: map[string][]byte{zmq.Name: fmt.Appendf(nil, `{"listen": %q}`, listen)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := inst.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{t, ctx, inst, client, filepath.Join(dir, ".ramet", "secret")}
	r.exec("CREATE TABLE t(x)")
	if _, err := inst.Bus().Handle("greet", func(_ context.Context, body []byte) ([]byte, error) {
		return append([]byte("hello "), body...), nil
	}); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) exec(query string) {
	r.Helper()
	if _, err := r.inst.DB().ExecContext(r.ctx, query); err != nil {
		r.Fatal(err)
	}
}

func (r *rig) status() kernel.Status {
	r.Helper()
	st, err := r.inst.Status(r.ctx)
	if err != nil {
		r.Fatal(err)
	}
	return st
}

func (r *rig) command(secret string, changes int) *exec.Cmd {
	address := strings.TrimPrefix(string(r.inst.Endpoints()[0]), "zmq+")
	args := append(r.client[1:len(r.client):len(r.client)], address, r.status().Workspace, secret, "greet", "stranger", fmt.Sprint(changes))
	cmd := exec.CommandContext(r.ctx, r.client[0], args...)
	cmd.Stderr = os.Stderr
	return cmd
}

// followsAndCalls expects the client to see the changes that are there and those to
// come, and to stay connected for longer than its heartbeats' patience of 500 ms.
func (r *rig) followsAndCalls() {
	r.exec("INSERT INTO t VALUES (1)")
	cmd := r.command(r.secret, 3)
	out, err := cmd.StdoutPipe()
	if err != nil {
		r.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		r.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var all []string
	until := func(prefix string) string {
		for lines.Scan() {
			all = append(all, lines.Text())
			if strings.HasPrefix(lines.Text(), prefix) {
				return lines.Text()
			}
		}
		r.Fatalf("no line with %q; the client said\n%s", prefix, strings.Join(all, "\n"))
		return ""
	}
	if got := until("reply"); got != "reply hello stranger" {
		r.Errorf("got %q", got)
	}
	until("subscribed")
	until(`change {"position":`)
	time.Sleep(time.Second) // what the client must outlive
	r.exec("INSERT INTO t VALUES (2)")
	until("event")
	if got := until("change"); !strings.Contains(got, `"op":"insert","table":"t","rowid":2`) {
		r.Errorf("got %q", got)
	}
	r.exec("DELETE FROM t WHERE x = 1")
	if got := until("change"); !strings.Contains(got, `"op":"delete","table":"t","rowid":1`) {
		r.Errorf("got %q", got)
	}
	until("done")
	if err := cmd.Wait(); err != nil {
		r.Errorf("the client ended with %v; it said\n%s", err, strings.Join(all, "\n"))
	}
}

// isRefusedWithout expects the client to be told no and nothing else.
func (r *rig) isRefusedWithout() {
	out, err := r.command("-", 1).Output()
	if code := err.(*exec.ExitError).ExitCode(); code != 3 || !strings.HasPrefix(string(out), "refused 1:") {
		r.Errorf("exit status %d, output %q", code, out)
	}
	wrong := filepath.Join(r.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte(strings.Repeat("x", 32)), 0o600); err != nil {
		r.Fatal(err)
	}
	cmd := r.command(wrong, 1)
	cmd.Stderr = nil
	if out, err := cmd.Output(); err == nil || strings.Contains(string(out), "reply") {
		r.Errorf("with another secret: %v, output %q", err, out)
	}
	for _, st := range r.status().Stages {
		if st.Stage == sdk.StageTransport && st.Counters["refused_proof"] == 0 {
			r.Errorf("the refusal is not counted: %v", st.Counters)
		}
	}
}

package remote

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/ramet-io/ramet/sdk"
)

// The test binary runs itself as a plugin program: asRole says as which one.
const asRole = "RAMET_TEST_ROLE"

// roles returns the programs. Most of them misbehave.
func roles() map[string]func() {
	return map[string]func(){
		"good": func() { Serve(testPlugin{}) },
		"raw":  rawEcho,
		"host": hostMain,

		"exits":          func() { fmt.Fprintln(os.Stderr, "I give up"); os.Exit(3) },
		"prints first":   func() { fmt.Println("hello there"); Serve(testPlugin{}) },
		"no handshake":   func() { fmt.Fprintln(os.Stderr, "thinking"); select {} },
		"older protocol": func() { serveVersion(protocolVersion - 1) },
		"newer protocol": func() { serveVersion(protocolVersion + 1) },
		"nameless":       func() { Serve(describedAs{}) },
		"wrong stage":    func() { Serve(describedAs{sdk.Info{Name: "liar", Stages: []sdk.Stage{sdk.StageStore}}}) },

		"garbage":     func() { serveBent(func([]byte) []byte { return []byte("\xff\xfe garbage") }) },
		"over cap":    func() { serveBent(func([]byte) []byte { return protowire.AppendVarint([]byte{frameTag}, maxFrame+1) }) },
		"wrong ids":   func() { serveBent(func(b []byte) []byte { return append(renumbered(b, 1000), b...) }) },
		"twice":       func() { serveBent(func(b []byte) []byte { return append(bytes.Clone(b), b...) }) },
		"no such op":  func() { serveBent(func(b []byte) []byte { return append(b, unknownRequest()...) }) },
		"odd carrier": func() { serveOddCarrier() },
	}
}

func TestMain(m *testing.M) {
	if name := os.Getenv(asRole); name != "" {
		roles()[name]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// program is this test binary in a role.
func program(t testing.TB, role string) Program {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Program{Name: role, Path: path, Env: []string{asRole + "=" + role}}
}

// openProgram launches and opens a program, and closes it with the test.
func openProgram(t testing.TB, p Program, log hclog.Logger) *running {
	t.Helper()
	ctx := within(t)
	pl, err := Launch(ctx, p)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pl.Open(ctx, sdk.Env{Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := pl.Close(context.Background()); err != nil {
			t.Errorf("Close of the program: %v", err)
		}
	})
	return r.(*running)
}

// within bounds a test. It is no expectation.
func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// dial opens the good program's echo link.
func dial(t testing.TB, r sdk.Running) sdk.Link {
	t.Helper()
	l, err := r.Transport().Dial(within(t), sdk.Scope{Workspace: "w"}, []sdk.Endpoint{"test:echo"})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// rawEcho echoes messages of benchBytes on descriptor 3.
func rawEcho() {
	c, err := net.FileConn(os.NewFile(3, "raw"))
	if err != nil {
		panic(err)
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// testPlugin is the good program: a transport whose link does what the operation
// says, and a watcher.
type testPlugin struct{}

func (testPlugin) Describe() sdk.Info {
	return sdk.Info{Name: "test", Version: "1.2.3", Schemes: []string{"test"},
		Stages: []sdk.Stage{sdk.StageStore, sdk.StageTransport, sdk.StageWatcher}}
}

func (testPlugin) Open(_ context.Context, env sdk.Env) (sdk.Running, error) {
	if string(env.Options) == `{"refuse":true}` {
		return nil, fmt.Errorf("%w: refused as told", sdk.ErrInvalid)
	}
	return &testRunning{env: env, closed: make(chan struct{})}, nil
}

type testRunning struct {
	env    sdk.Env
	closed chan struct{}
}

func (r *testRunning) Ports() sdk.Ports         { return nil }
func (r *testRunning) Lock() sdk.Lock           { return nil }
func (r *testRunning) Store() sdk.Store         { return testStore{} }
func (r *testRunning) Transport() sdk.Transport { return testTransport{r} }
func (r *testRunning) Watcher() sdk.Watcher     { return testWatcher{} }
func (r *testRunning) WaitHealth(ctx context.Context, seen uint64) (sdk.Health, error) {
	if seen == 0 {
		return sdk.Health{Number: 1, Condition: sdk.Ready}, nil
	}
	select {
	case <-r.closed:
		return sdk.Health{}, sdk.ErrClosed
	case <-ctx.Done():
		return sdk.Health{}, ctx.Err()
	}
}
func (r *testRunning) Close(ctx context.Context) error {
	if string(r.env.Options) == `{"never close":true}` {
		select {}
	}
	close(r.closed)
	return nil
}

// testStore has a database that can prepare, which gives the text back.
type testStore struct{}

func (testStore) ResourceKey(_ context.Context, o sdk.OpenOptions) (string, error) {
	return o.Path, nil
}
func (testStore) Open(context.Context, sdk.OpenOptions) (sdk.DB, error) { return testDB{}, nil }

type testDB struct{ sdk.DB }

func (testDB) Prepare(_ context.Context, text string) (sdk.Prepared, error) {
	if text == "slow" { // a brief method that is not
		time.Sleep(50 * time.Millisecond)
	}
	return sdk.Prepared{Reason: text}, nil
}

// Apply commits, and takes longer than anybody waits.
func (testDB) Apply(context.Context, uint64, []sdk.Request) ([]sdk.Result, error) {
	time.Sleep(answerGrace + 300*time.Millisecond)
	return []sdk.Result{{RowsAffected: 1}}, nil
}
func (testDB) Close(context.Context) error { return nil }

type testWatcher struct{}

func (testWatcher) Judge(context.Context, sdk.Evidence) (sdk.Judgement, error) {
	return sdk.Judgement{Verdict: sdk.VerdictAlive, Reason: "as told", Recheck: time.Second}, nil
}

type testTransport struct{ r *testRunning }

func (t testTransport) Serve(context.Context, sdk.Scope, []sdk.Endpoint, sdk.Handler) (sdk.Server, error) {
	return nil, sdk.ErrUnsupported
}
func (t testTransport) Dial(context.Context, sdk.Scope, []sdk.Endpoint) (sdk.Link, error) {
	return &testLink{r: t.r, gone: make(chan struct{})}, nil
}

type testLink struct {
	r    *testRunning
	gone chan struct{}
}

func (l *testLink) Server() sdk.Peer { return sdk.Peer{Session: "s"} }

// Call does what the operation says.
func (l *testLink) Call(ctx context.Context, m sdk.Message) ([]byte, error) {
	switch m.Op {
	case "echo":
		return m.Body, nil
	case "panic":
		panic("as told: " + string(m.Body))
	case "panic elsewhere":
		go panic("as told, elsewhere")
		select {}
	case "wait": // for its context
		<-ctx.Done()
		return nil, ctx.Err()
	case "deaf": // to its context
		time.Sleep(answerGrace + 300*time.Millisecond)
		return []byte("late"), nil
	case "exit":
		fmt.Fprintln(os.Stderr, "exits as told")
		os.Exit(7)
	case "log":
		log := l.r.env.Log()
		log.Debug("below the level")
		log.Warn("as told", "number", 7, "text", string(m.Body))
		return nil, nil
	case "flood":
		for i := range 50_000 {
			l.r.env.Log().Info("flood", "i", i)
		}
		return nil, nil
	case "print":
		fmt.Println("on standard output")
		fmt.Fprintln(os.Stderr, "on standard error")
		return nil, nil
	case "env":
		return []byte(fmt.Sprint(os.Environ())), nil
	case "allocations":
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return binary.BigEndian.AppendUint64(nil, m.Mallocs), nil
	case "open files":
		return []byte(openFiles()), nil
	}
	return nil, fmt.Errorf("%w: %q", sdk.ErrInvalid, m.Op)
}

func (l *testLink) Publish(context.Context, sdk.Event) error { return nil }
func (l *testLink) Subscribe(context.Context, string) (sdk.Subscription, error) {
	return nil, sdk.ErrUnsupported
}
func (l *testLink) Wait(ctx context.Context) error {
	select {
	case <-l.gone:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
func (l *testLink) Close(context.Context) error { close(l.gone); return nil }

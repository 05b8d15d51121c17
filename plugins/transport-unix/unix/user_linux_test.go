package unix

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ramet-io/ramet/plugins/internal/sockfile"
	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// intruderVar, if set, makes the test binary a program of another user that wants
// to talk to the socket it names.
const intruderVar = "RAMET_TEST_INTRUDER_AT"

// nobody is a user who is not us, when we are root.
const nobody = 65534

// counter echoes and counts who asks.
type counter struct{ calls, ends atomic.Int64 }

func (c *counter) Handle(_ context.Context, _ sdk.Peer, m sdk.Message) ([]byte, error) {
	c.calls.Add(1)
	return m.Body, nil
}
func (c *counter) Published(context.Context, sdk.Peer, sdk.Event) { c.calls.Add(1) }
func (c *counter) Ended(sdk.Peer)                                 { c.ends.Add(1) }

// TestPeerOfAnotherUserIsRefused lets a process of another user reach the socket,
// which the modes of directory and socket otherwise prevent. The server refuses it
// whatever it says, and a client of that user refuses the server.
func TestPeerOfAnotherUserIsRefused(t *testing.T) {
	sdktest.NeedRoot(t)
	h := &counter{}
	r := newRig(t, stream.DefaultLimits(), h)
	program := copyOfThis(t)
	for _, path := range []string{r.path, program} {
		letIn(t, path)
	}
	cmd := exec.CommandContext(r.ctx, program)
	cmd.Env = []string{intruderVar + "=" + r.path}
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := []string{
		fmt.Sprintf("the server: %v: the server refused: \"%v: the peer runs as user %d, we as 0; use the same user\"", sdk.ErrInvalid, sdk.ErrInvalid, nobody),
		fmt.Sprintf("the client: dial %s: %v: the peer runs as user 0, we as %d; use the same user", r.srv.Bound()[0], sdk.ErrInvalid, nobody),
	}
	if got := strings.Split(strings.TrimSpace(string(out)), "\n"); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	r.works(r.link())
	if err := r.srv.Close(r.ctx); err != nil {
		t.Error(err)
	}
	if h.calls.Load() != 1 || h.ends.Load() != 1 { // those of our own link
		t.Errorf("%d calls and %d sessions, want one of each", h.calls.Load(), h.ends.Load())
	}
}

// letIn makes path reachable and usable for everybody.
func letIn(t *testing.T, path string) {
	t.Helper()
	if err := os.Chmod(path, 0o777); err != nil {
		t.Fatal(err)
	}
	for dir := filepath.Dir(path); dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o711); err != nil {
			t.Fatal(err)
		}
	}
}

// copyOfThis is this program where others may be let in; go test runs it from a
// directory of its own.
func copyOfThis(t *testing.T) string {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := filepath.Join(t.TempDir(), "intruder")
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// runIntruder prints what the server says to a proper greeting, which it follows
// with a call at once, and what a client of ours makes of the server.
func runIntruder(path string) int {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := sockfile.Connect(ctx, path)
	if err != nil {
		fmt.Println("connect:", err)
		return 1
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	hello := appendHello(nil, stream.AppendScope(nil, clientScope))
	_, _ = c.Write(append(hello, frame(stream.KindCall, append(make([]byte, 16), 1, 'x'))...)) // it may have closed already
	payload, err := readHello(c)
	if err == nil && len(payload) > 4 {
		err = refusal(uint32(payload[3]), string(payload[4:]))
	}
	fmt.Println("the server:", err)
	if n, err := io.Copy(io.Discard, bufio.NewReader(c)); n > 0 {
		fmt.Println(n, "more bytes from the server", err)
	}
	run, err := New().Open(ctx, sdk.Env{})
	if err == nil {
		_, err = run.Transport().Dial(ctx, clientScope, []sdk.Endpoint{sockfile.Endpoint(Scheme, path)})
	}
	fmt.Println("the client:", err)
	return 0
}

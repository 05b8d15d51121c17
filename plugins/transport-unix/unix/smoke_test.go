package unix

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ramet-io/ramet/plugins/internal/sockfile"
	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
)

type echo struct{}

func (echo) Handle(_ context.Context, _ sdk.Peer, m sdk.Message) ([]byte, error) { return m.Body, nil }
func (echo) Published(context.Context, sdk.Peer, sdk.Event)                      {}
func (echo) Ended(sdk.Peer)                                                      {}

func testCtx(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func privateDir(t testing.TB) string {
	dir := filepath.Join(t.TempDir(), "p")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openAt(t testing.TB, l stream.Limits) running {
	t.Helper()
	r, err := plugin{l}.Open(testCtx(t), sdk.Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return r.(running)
}

func TestCallPublishSubscribe(t *testing.T) {
	ctx := testCtx(t)
	tr := openAt(t, stream.DefaultLimits()).Transport()
	at := []sdk.Endpoint{sockfile.Endpoint(Scheme, filepath.Join(privateDir(t), "s0"))}
	srv, err := tr.Serve(ctx, sdk.Scope{Workspace: "w", Epoch: 3}, at, echo{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := tr.Dial(ctx, sdk.Scope{Workspace: "w"}, srv.Bound())
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.Call(ctx, sdk.Message{Op: "x", Body: []byte("hello")})
	if err != nil || string(got) != "hello" {
		t.Fatal(got, err)
	}
	sub, err := l.Subscribe(ctx, "a.")
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Publish(ctx, sdk.Event{Topic: "a.b", Body: []byte("e")}); err != nil {
		t.Fatal(err)
	}
	if e, err := sub.Next(ctx); err != nil || e.Topic != "a.b" {
		t.Fatal(e, err)
	}
	if err := srv.Close(ctx); err != nil {
		t.Fatal(err)
	}
	if err := l.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Call(ctx, sdk.Message{}); sdk.CodeOf(err) != sdk.CodeOf(sdk.ErrUnavailable) {
		t.Fatal(err)
	}
}

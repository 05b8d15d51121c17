package kernel

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/sdk"
)

func TestSecretIsMadeOnceByMany(t *testing.T) {
	dir := t.TempDir()
	if _, err := readSecret(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before anybody served: %v", err)
	}
	made := make([][]byte, 16)
	var wg sync.WaitGroup
	for n := range made {
		wg.Go(func() {
			var err error
			if made[n], err = makeSecret(dir, hclog.NewNullLogger()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, secret := range made {
		if len(secret) != secretBytes || !bytes.Equal(secret, made[0]) {
			t.Fatalf("got %x and %x", secret, made[0])
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	info, err := os.Stat(filepath.Join(dir, secretName))
	if err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("mode: %v, %v", info, err)
	}
	if other, err := makeSecret(t.TempDir(), hclog.NewNullLogger()); err != nil || bytes.Equal(other, made[0]) {
		t.Errorf("another workspace: %x, %v", other, err)
	}
}

// scopes records what a transport is given.
type scopes struct {
	sdk.Transport
	seen *[]sdk.Scope
}

func (s scopes) Serve(_ context.Context, scope sdk.Scope, _ []sdk.Endpoint, _ sdk.Handler) (sdk.Server, error) {
	*s.seen = append(*s.seen, scope)
	return nil, nil
}

func (s scopes) Dial(_ context.Context, scope sdk.Scope, _ []sdk.Endpoint) (sdk.Link, error) {
	*s.seen = append(*s.seen, scope)
	return nil, nil
}

func TestBothSidesAreGivenTheSecret(t *testing.T) {
	var seen []sdk.Scope
	transport := secured{scopes{seen: &seen}, t.TempDir(), hclog.NewNullLogger()}
	if _, err := transport.Dial(t.Context(), sdk.Scope{}, nil); !errors.Is(err, sdk.ErrUnavailable) {
		t.Errorf("dial before anybody served: %v", err)
	}
	if _, err := transport.Serve(t.Context(), sdk.Scope{}, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := transport.Dial(t.Context(), sdk.Scope{}, nil); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 || len(seen[0].Secret) != secretBytes || !bytes.Equal(seen[0].Secret, seen[1].Secret) {
		t.Errorf("given: %+v", seen)
	}
}

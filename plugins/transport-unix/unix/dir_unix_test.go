//go:build unix

package unix

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func TestSocketDirectoryMustBePrivate(t *testing.T) {
	base := privateDir(t)
	open, link, file := filepath.Join(base, "open"), filepath.Join(base, "link"), filepath.Join(base, "file")
	for _, err := range []error{
		os.Mkdir(open, 0o700), os.Chmod(open, 0o755), os.Symlink(privateDir(t), link), os.WriteFile(file, nil, 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, tr := testCtx(t), openAt(t, defaultLimits()).Transport()
	for _, dir := range []string{open, link, file} {
		if err := privateOrMissing(dir); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%s: %v", dir, err)
		}
		at := []sdk.Endpoint{endpointOf(filepath.Join(dir, "s0"))}
		if _, err := tr.Serve(ctx, serverScope, at, echo{}); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("Serve in %s: %v", dir, err)
		}
	}
	if err := privateOrMissing(filepath.Join(base, "missing")); err != nil {
		t.Errorf("missing: %v", err)
	}
}

func TestBadRuntimeDirectoryIsPassedOver(t *testing.T) {
	shared := privateDir(t)
	if err := os.Chmod(shared, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", shared)
	root, err := socketRoot("")
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Dir(root) == shared {
		t.Errorf("chose %s, which others can read", root)
	}
}

func TestCandidatesMakeNothing(t *testing.T) {
	dir := privateDir(t)
	t.Setenv("XDG_RUNTIME_DIR", dir)
	if _, err := (ports{}).Candidates(testCtx(t), sdk.Workspace{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("made %v, %v", entries, err)
	}
}

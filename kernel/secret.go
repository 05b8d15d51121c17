package kernel

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/sdk"
)

const (
	secretName  = "secret"
	secretBytes = 32
)

// secured gives the transport the workspace's secret: random bytes in a file of the
// state directory that only its user can read. Who serves makes the file if there is
// none, and a new one if others may know it (a copy or a backup that lost its mode).
// Who dials reads it each time, so a new one is no harm.
type secured struct {
	sdk.Transport
	stateDir string
	log      hclog.Logger
}

// Serve implements sdk.Transport.
func (t secured) Serve(ctx context.Context, s sdk.Scope, at []sdk.Endpoint, h sdk.Handler) (sdk.Server, error) {
	var err error
	if s.Secret, err = makeSecret(t.stateDir, t.log); err != nil {
		return nil, err
	}
	return t.Transport.Serve(ctx, s, at, h)
}

// Dial implements sdk.Transport.
func (t secured) Dial(ctx context.Context, s sdk.Scope, to []sdk.Endpoint) (sdk.Link, error) {
	var err error
	s.Secret, err = readSecret(t.stateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: nobody has served this workspace: %w", sdk.ErrUnavailable, err)
	}
	if err != nil {
		return nil, err
	}
	return t.Transport.Dial(ctx, s, to)
}

// readSecret returns the secret; fs.ErrNotExist if nobody has made one.
func readSecret(stateDir string) ([]byte, error) {
	path := filepath.Join(stateDir, secretName)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("secret of the workspace: %w", err)
	}
	if err := checkSecret(path, info); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: secret of the workspace: %w", sdk.ErrInvalid, err)
	}
	defer f.Close()
	if now, err := f.Stat(); err != nil || !os.SameFile(info, now) {
		return nil, fmt.Errorf("%w: secret %s was replaced while it was read", sdk.ErrUnavailable, path)
	}
	secret := make([]byte, secretBytes)
	if _, err := io.ReadFull(f, secret); err != nil {
		return nil, fmt.Errorf("%w: read secret %s: %w", sdk.ErrInvalid, path, err)
	}
	return secret, nil
}

// checkSecret refuses a file that others could have read or put there.
func checkSecret(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() || info.Size() != secretBytes {
		return fmt.Errorf("%w: secret %s is not a file of %d bytes; the next primary makes a new one",
			sdk.ErrInvalid, path, secretBytes)
	}
	if uid, ok := owner(info); ok && uid != os.Geteuid() {
		return fmt.Errorf("%w: secret %s belongs to user %d, we are user %d; the next primary makes a new one", sdk.ErrInvalid, path, uid, os.Geteuid())
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 && runtime.GOOS != "windows" {
		return fmt.Errorf("%w: secret %s has mode %04o, so others may know it; the next primary makes a new one", sdk.ErrInvalid, path, perm)
	}
	return nil
}

// makeSecret returns the secret and makes it first if there is none that will do. Of
// several that try, one wins: the file appears whole, and never over a good one.
func makeSecret(stateDir string, log hclog.Logger) ([]byte, error) {
	secret, err := readSecret(stateDir)
	put := os.Link
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, sdk.ErrInvalid):
		log.Warn("the workspace gets a new secret", "why", err)
		put = os.Rename
	default:
		return secret, err
	}
	f, err := os.CreateTemp(stateDir, secretName+"-*") // 0600
	if err != nil {
		return nil, fmt.Errorf("%w: make the workspace's secret: %w", sdk.ErrUnavailable, err)
	}
	defer os.Remove(f.Name())
	fresh := make([]byte, secretBytes)
	rand.Read(fresh) // never fails, see package crypto/rand
	_, err = f.Write(fresh)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = put(f.Name(), filepath.Join(stateDir, secretName))
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%w: make the workspace's secret: %w", sdk.ErrUnavailable, err)
	}
	return readSecret(stateDir)
}

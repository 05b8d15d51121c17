package sockfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// bindings numbers the temporary names of this process.
var bindings atomic.Uint64

// Listener is a bound socket. It knows its file, so that it removes no other.
type Listener struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

// Listen binds path. It replaces the leftover of a dead server in one step: it
// binds beside it and renames over it, so that no moment has no socket. holder asks a
// living listener who it is, for the [sdk.HeldError]; it must be brief, because a
// stopped one never answers.
func Listen(ctx context.Context, path string, holder func(net.Conn) sdk.Record) (*Listener, error) {
	dir := filepath.Dir(path)
	if err := makePrivate(dir); err != nil {
		return nil, err
	}
	unlock, err := lockDir(ctx, dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := checkVacant(ctx, path, holder); err != nil {
		return nil, err
	}
	temp := path + "." + strconv.Itoa(os.Getpid()) + "." + strconv.FormatUint(bindings.Add(1), 10)
	_ = os.Remove(temp) // of a dead process with our number
	ln, err := bind(temp)
	if err != nil {
		return nil, fmt.Errorf("%w: bind %s: %v", sdk.ErrUnavailable, temp, err)
	}
	file, err := publish(temp, path)
	if err != nil {
		_ = ln.Close()
		_ = os.Remove(temp)
		return nil, fmt.Errorf("%w: put the socket at %s: %v", sdk.ErrUnavailable, path, err)
	}
	return &Listener{ln, path, file}, nil
}

func bind(path string) (ln *net.UnixListener, err error) {
	err = withAddress(path, func(address string) error {
		ln, err = net.ListenUnix("unix", &net.UnixAddr{Name: address, Net: "unix"})
		return err
	})
	if ln != nil {
		ln.SetUnlinkOnClose(false)
	}
	return ln, err
}

func publish(temp, path string) (fs.FileInfo, error) {
	if err := os.Chmod(temp, 0o600); err != nil {
		return nil, err
	}
	if err := os.Rename(temp, path); err != nil {
		return nil, err
	}
	return os.Lstat(path)
}

// Unbind removes the socket's file, if it is still ours, and stops accepting, in
// this order: as long as we listen nobody takes the path for a leftover and puts
// theirs there between our look and our removal.
func (l *Listener) Unbind() {
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.file) {
		_ = os.Remove(l.path)
	}
	_ = l.Close()
}

// lockDir makes binders in one directory take turns: between finding a leftover
// and replacing it nobody else may do so. The file stays; removing a lock file is
// a race of its own.
func lockDir(ctx context.Context, dir string) (func(), error) {
	name := filepath.Join(dir, "lock")
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|openNoFollow, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w: socket directory: %v", sdk.ErrInvalid, err)
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := tryLock(f)
		if ok {
			return func() { _ = f.Close() }, nil
		}
		if err == nil {
			select {
			case <-tick.C:
				continue
			case <-ctx.Done():
				err = fmt.Errorf("another process binds there: %w", ctx.Err())
			}
		}
		_ = f.Close()
		return nil, fmt.Errorf("%w: lock %s: %w", sdk.ErrUnavailable, name, err)
	}
}

// checkVacant returns nil if nothing is at path or only what a dead server left.
func checkVacant(ctx context.Context, path string, holder func(net.Conn) sdk.Record) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("%w: endpoint %s: %v", sdk.ErrInvalid, path, err)
	case info.Mode()&fs.ModeSocket == 0:
		return fmt.Errorf("%w: endpoint %s is not a socket (%s); it is not ours to remove", sdk.ErrInvalid, path, info.Mode().Type())
	}
	c, err := Connect(ctx, path)
	switch {
	case err == nil:
		defer c.Close()
		return &sdk.HeldError{What: path, Holder: holder(c)}
	case isRefused(err), errors.Is(err, fs.ErrNotExist):
		return nil
	}
	// Its queue is full, or we may not ask: somebody is there.
	return &sdk.HeldError{What: path}
}

// Connect opens a connection to the socket at path; no byte is sent. The error is
// the system's.
func Connect(ctx context.Context, path string) (*net.UnixConn, error) {
	var conn net.Conn
	err := withAddress(path, func(address string) (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, "unix", address)
		return err
	})
	if err != nil {
		return nil, err
	}
	return conn.(*net.UnixConn), nil
}

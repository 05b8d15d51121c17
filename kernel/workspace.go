package kernel

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/ramet-io/ramet/sdk"
)

const (
	stateName = ".ramet"
	dataName  = "ramet.db"
)

// resolve says where the instance lives. It creates nothing.
//
// The state directory follows the data, not the workspace: two workspaces over
// one database file share one lock and so have one primary.
func resolve(workdir, dataPath string) (sdk.Workspace, error) {
	dir, err := canonicalDir(workdir)
	if err != nil {
		return sdk.Workspace{}, err
	}
	if dataPath == "" {
		state := filepath.Join(dir, stateName)
		return sdk.Workspace{Dir: dir, StateDir: state, DataPath: filepath.Join(state, dataName)}, nil
	}
	data, err := canonicalFile(dataPath)
	if err != nil {
		return sdk.Workspace{}, err
	}
	state := data + stateName
	if filepath.Base(data) == dataName && filepath.Base(filepath.Dir(data)) == stateName {
		state = filepath.Dir(data) // another workspace's own database: share its lock
	}
	return sdk.Workspace{Dir: dir, StateDir: state, DataPath: data}, nil
}

func canonicalDir(path string) (string, error) {
	if path == "" {
		path = "."
	}
	dir, err := physical(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: workdir %s does not exist; create it first", sdk.ErrInvalid, path)
	}
	if err != nil {
		return "", fmt.Errorf("%w: workdir %s: %w", sdk.ErrInvalid, path, err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", fmt.Errorf("%w: workdir %s: %w", sdk.ErrInvalid, dir, err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("%w: workdir %s is not a directory", sdk.ErrInvalid, dir)
	}
	if uid, ok := owner(info); ok && uid != os.Geteuid() {
		return "", fmt.Errorf("%w: workdir %s belongs to user %d, we are user %d; a workspace serves its own user only",
			sdk.ErrInvalid, dir, uid, os.Geteuid())
	}
	return dir, nil
}

// canonicalFile resolves links of a file that need not exist, in a directory that
// must.
func canonicalFile(path string) (string, error) {
	real, err := physical(path)
	if err == nil {
		info, err := os.Stat(real)
		if err != nil || info.IsDir() {
			return "", fmt.Errorf("%w: data file %s is a directory or cannot be read", sdk.ErrInvalid, real)
		}
		return real, nil
	}
	parent, name := filepath.Split(path)
	if name == "" || name == ".." {
		return "", fmt.Errorf("%w: data file %s: name a file", sdk.ErrInvalid, path)
	}
	if parent == "" {
		parent = "."
	}
	dir, err := physical(parent)
	if err != nil {
		return "", fmt.Errorf("%w: directory of data file %s: %w", sdk.ErrInvalid, path, err)
	}
	return filepath.Join(dir, name), nil
}

// physical returns the absolute path without symbolic links, as the system walks
// it: links first and only then "..", where filepath.Abs would cut "link/.." as
// text and lead elsewhere. (Windows itself cuts it as text.)
func physical(path string) (string, error) {
	if runtime.GOOS == "windows" {
		abs, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		return filepath.EvalSymlinks(abs)
	}
	if !filepath.IsAbs(path) {
		wd, err := os.Getwd()
		if err != nil {
			return "", err
		}
		path = wd + string(filepath.Separator) + path
	}
	return filepath.EvalSymlinks(path)
}

// claimState creates the state directory and fills in its key.
func claimState(ws *sdk.Workspace) error {
	if err := os.Mkdir(ws.StateDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: create state directory: %w; make the directory writable or set Config.DataPath", sdk.ErrInvalid, err)
	}
	return keyState(ws)
}

// keyState fills in the key of an existing state directory.
func keyState(ws *sdk.Workspace) error {
	info, err := os.Lstat(ws.StateDir)
	if err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("%w: state directory %s is not a directory (a symbolic link is not followed); move it away",
			sdk.ErrInvalid, ws.StateDir)
	}
	ws.Key = identity(ws.StateDir, info)
	return nil
}

// draw returns 32 random hex digits.
func draw() string {
	var b [16]byte
	rand.Read(b[:]) // never fails, see package crypto/rand
	return hex.EncodeToString(b[:])
}

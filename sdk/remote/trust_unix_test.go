//go:build unix

package remote

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func TestProgramNotExecutable(t *testing.T) {
	p := copyProgram(t, program(t, "good"))
	if err := os.Chmod(p.Path, 0o600); err != nil {
		t.Fatal(err)
	}
	wantLaunch(t, p, sdk.ErrInvalid, "not executable", "chmod +x")
}

func TestProgramWritableByOthers(t *testing.T) {
	p := copyProgram(t, program(t, "good"))
	if err := os.Chmod(p.Path, 0o770); err != nil {
		t.Fatal(err)
	}
	wantLaunch(t, p, sdk.ErrInvalid, "may be changed by others", "chmod go-w")
}

func TestProgramInDirectoryWritableByOthers(t *testing.T) {
	p := copyProgram(t, program(t, "good"))
	if err := os.Chmod(filepath.Dir(p.Path), 0o777); err != nil {
		t.Fatal(err)
	}
	wantLaunch(t, p, sdk.ErrInvalid, "may be changed by others", filepath.Dir(p.Path))
}

// TestProgramBehindLinkInDirectoryWritableByOthers: what counts is where the file
// really lies.
func TestProgramBehindLinkInDirectoryWritableByOthers(t *testing.T) {
	p := copyProgram(t, program(t, "good"))
	if err := os.Chmod(filepath.Dir(p.Path), 0o777); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(p.Path, link); err != nil {
		t.Fatal(err)
	}
	p.Path = link
	wantLaunch(t, p, sdk.ErrInvalid, "may be changed by others")
}

func TestProgramForAnotherMachine(t *testing.T) {
	p := copyProgram(t, program(t, "good"))
	b, err := os.ReadFile(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	words := []string{runtime.GOARCH}
	if runtime.GOOS == "linux" {
		b[18], b[19] = 0x16, 0 // e_machine: S/390
		words = append(words, "EM_S390")
	} else {
		b = []byte("not the format of any system")
	}
	if err := os.WriteFile(p.Path, b, 0o700); err != nil {
		t.Fatal(err)
	}
	wantLaunch(t, p, sdk.ErrIncompatible, words...)
}

// TestProgramIsScript: a plugin may be written in another language.
func TestProgramIsScript(t *testing.T) {
	sdktest.NoLeaks(t)
	p := program(t, "good")
	script := filepath.Join(t.TempDir(), "plugin.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nexec "+p.Path+" \"$@\"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.Path = script
	openProgram(t, p, nil)
}

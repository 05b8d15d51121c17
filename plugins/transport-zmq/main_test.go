package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ramet-io/ramet/sdk/remote/remotetest"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func TestMain(m *testing.M) { remotetest.Main(m, main) }

func TestPorts(t *testing.T) {
	privateRuntimeDir(t)
	remotetest.Each(t, sdktest.Ports)
}

func TestTransport(t *testing.T) {
	privateRuntimeDir(t)
	remotetest.Each(t, sdktest.Transport)
}

func privateRuntimeDir(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "p")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", dir)
}

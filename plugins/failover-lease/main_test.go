package main

import (
	"testing"

	"github.com/ramet-io/ramet/sdk/remote/remotetest"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func TestMain(m *testing.M) { remotetest.Main(m, main) }

func TestLock(t *testing.T) { remotetest.Each(t, sdktest.Lock) }

func TestWatcher(t *testing.T) { remotetest.Each(t, sdktest.Watcher) }

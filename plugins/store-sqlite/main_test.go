package main

import (
	"testing"

	"github.com/ramet-io/ramet/sdk/remote/remotetest"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func TestMain(m *testing.M) { remotetest.Main(m, main) }

func TestStore(t *testing.T) { remotetest.Each(t, sdktest.Store) }

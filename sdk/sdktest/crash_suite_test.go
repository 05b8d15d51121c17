package sdktest_test

import (
	"testing"

	"github.com/ramet-io/ramet/plugins/store-sqlite/sqlite"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// TestCrashableKeepsTheContracts: as long as it is not killed nothing differs.
func TestCrashableKeepsTheContracts(t *testing.T) {
	t.Run("lock", func(t *testing.T) { sdktest.Lock(t, sdktest.Crashable(sdktest.MemLock())) })
	t.Run("watcher", func(t *testing.T) { sdktest.Watcher(t, sdktest.Crashable(sdktest.MemLock())) })
	t.Run("ports", func(t *testing.T) { sdktest.Ports(t, sdktest.Crashable(sdktest.MemTransport())) })
	t.Run("transport", func(t *testing.T) { sdktest.Transport(t, sdktest.Crashable(sdktest.MemTransport())) })
	t.Run("store", func(t *testing.T) { sdktest.Store(t, sdktest.Crashable(sqlite.New())) })
}

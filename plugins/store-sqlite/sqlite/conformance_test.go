package sqlite

import (
	"testing"

	"github.com/ramet-io/ramet/sdk/sdktest"
)

func TestConformance(t *testing.T) { sdktest.Store(t, New()) }

// TestConformanceLoopback runs the suite with every argument and result carried
// through the encoding of the process boundary.
func TestConformanceLoopback(t *testing.T) { sdktest.Store(t, sdktest.Loopback(New())) }

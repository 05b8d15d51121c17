//go:build !linux

package lease

import (
	"context"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// processWatch does not exist on this system; Await polls.
type processWatch struct{}

func watchProcess(sdk.Record) *processWatch { return nil }

func (*processWatch) wait(context.Context, time.Duration) bool { return false }

func (*processWatch) close() {}

func nap(d time.Duration) { time.Sleep(d) }

package lease

import (
	"context"
	"os"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

const (
	newsFast = 20 * time.Millisecond // how long Changed looks in quick succession
	newsSlow = 5 * time.Millisecond  // between two looks afterwards
)

// Changed waits for another record. It polls on purpose: inotify tells at once, but
// closing its descriptor waits for an RCU grace period, 10 ms that a dying process
// would spend before it lets go of the lock. A look is one stat, because a record
// comes by a rename.
func (k *locker) Changed(ctx context.Context, seen sdk.Record) (sdk.Holding, error) {
	ctx, done, err := k.begin(ctx)
	if err != nil {
		return sdk.Holding{}, err
	}
	defer done()
	began := time.Now()
	for {
		file, _ := os.Lstat(k.record) // before it is read; missing is nil
		h, err := k.Inspect(ctx)
		if cause := context.Cause(ctx); cause != nil {
			return sdk.Holding{}, cause
		}
		if err != nil || !sameService(h.Announced, seen) {
			return h, err
		}
		for same := true; same && ctx.Err() == nil; {
			rest(ctx, time.Since(began))
			now, _ := os.Lstat(k.record)
			same = sameFile(file, now)
		}
	}
}

// rest pauses between two looks.
func rest(ctx context.Context, took time.Duration) {
	if took < newsFast {
		nap(stepAfter(took))
		return
	}
	t := time.NewTimer(newsSlow)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// sameFile reports whether a file was not replaced between two looks; nil: missing.
func sameFile(a, b os.FileInfo) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime())
}

// sameService reports whether a and b say the same of who serves.
func sameService(a, b sdk.Record) bool {
	return a.Incarnation == b.Incarnation && a.Epoch == b.Epoch && a.Left == b.Left && a.Takeover == b.Takeover
}

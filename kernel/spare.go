package kernel

import (
	"context"

	"github.com/ramet-io/ramet/sdk"
)

// spare is the store opened for writing ahead of a promotion, by a secondary that
// may be promoted, while somebody else is primary. Opening takes as long as all that
// a promotion does with the store afterwards. The handle is worth nothing before
// Advance: it holds no lock, and what it wrote would be refused.
type spare struct {
	open *work
	db   sdk.DB // nil if it could not be opened; not read before open has ended
}

// openSpare begins to open the store. The owner calls take or close.
func (i *Instance) openSpare() *spare {
	s := &spare{}
	s.open = start(func(ctx context.Context) {
		db, err := i.parts.store.Open(ctx, i.openOptions(sdk.Primary))
		if err != nil {
			i.log.Debug("no spare handle of the store; a promotion opens it", "err", err)
			return
		}
		s.db = db
		// The promotion asks the same; what it takes the first time is spent here.
		if _, err := db.Status(ctx); err != nil {
			i.log.Debug("status of the spare handle", "err", err)
		}
	})
	return s
}

// take ends the opening and hands the handle over; nil if there is none. The spare
// itself may be nil.
func (s *spare) take() sdk.DB {
	if s == nil {
		return nil
	}
	s.open.stop()
	db := s.db
	s.db = nil
	return db
}

// stale reports whether the handle went with its plugin.
func (s *spare) stale() bool {
	select {
	case <-s.open.done:
		return dead(s.db)
	default:
		return false
	}
}

// close gives up what was not taken.
func (s *spare) close(ctx context.Context) error { return closeUnused(ctx, s.take()) }

// closeUnused closes a handle that no promotion came to use.
func closeUnused(ctx context.Context, db sdk.DB) error {
	if db == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeBudget)
	defer cancel()
	return db.Close(ctx)
}

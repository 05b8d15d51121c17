package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// lease is a granted claim.
type lease struct {
	k *locker

	op        sync.Mutex // one of Announce, Renew, Release at a time; guards the next five
	files     []lockFile // locked; the last is at the lock's path. None: by takeover
	rec       sdk.Record // as announced; before that, as claimed
	announced bool
	released  bool
	beat      uint64

	mu    sync.Mutex // guards terms; never held during I/O
	terms sdk.Terms
}

var _ sdk.Lease = (*lease)(nil)

// Terms returns what was granted. Takeover changes when Renew gets the lock.
func (l *lease) Terms() sdk.Terms {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.terms
}

// enter begins an operation; the caller unlocks op when err is nil.
func (l *lease) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.op.Lock()
	if l.released {
		l.op.Unlock()
		return fmt.Errorf("%w: the lease was released", sdk.ErrClosed)
	}
	return nil
}

// Announce replaces the record. Check and rename are two steps, so a process
// that is stopped between them can overwrite a newer record once; the next Renew
// of the newer one puts it right.
func (l *lease) Announce(ctx context.Context, r sdk.Record) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.op.Unlock()
	cur, err := readEntry(l.k.record)
	if err != nil {
		return err
	}
	// A restored store starts below the record it left behind, under a new
	// lineage; whoever holds the lock may say so.
	restored := cur.Record.Lineage != r.Lineage && len(l.files) > 0
	if cur.ok && cur.Record.Epoch > r.Epoch && !restored {
		return fenced(cur.Record, r.Epoch)
	}
	r = identify(r)
	r.Takeover, r.Left = len(l.files) == 0, false
	if err := writeRecord(l.k.record, r); err != nil {
		return err
	}
	l.rec, l.announced = r, true
	l.sign()
	return nil
}

// Renew raises the beat, and keeps lock and record at their paths.
func (l *lease) Renew(ctx context.Context) error {
	if err := l.enter(ctx); err != nil {
		return err
	}
	defer l.op.Unlock()
	cur, err := readEntry(l.k.record)
	if err != nil {
		return err
	}
	// Whoever holds the lock next in line sees other epochs pass, until it announces
	// its own.
	inLine := !l.announced && len(l.files) > 0
	if own := max(l.rec.Epoch, l.Terms().Epoch); cur.ok && cur.Record.Epoch > own && !l.names(cur) && !inLine {
		return fenced(cur.Record, own)
	}
	// The beat is raised whatever else fails: a full disk must not look like death.
	return errors.Join(l.keepLock(), l.keepRecord(cur), l.raise(cur))
}

// Release marks the record, then unlocks.
func (l *lease) Release(context.Context) error {
	l.op.Lock()
	defer l.op.Unlock()
	if l.released {
		return nil
	}
	var err error
	if cur, rerr := readEntry(l.k.record); rerr == nil && l.announced && l.names(cur) {
		gone := l.rec
		gone.Left = true
		err = writeRecord(l.k.record, gone)
	}
	return errors.Join(err, l.abandonLocked())
}

// abandon gives the lock back without a word in the record.
func (l *lease) abandon() {
	l.op.Lock()
	defer l.op.Unlock()
	if err := l.abandonLocked(); err != nil {
		l.k.log.Warn("a lock that nobody waited for any more was not closed", "error", err)
	}
}

// abandonLocked is abandon with op held.
func (l *lease) abandonLocked() error {
	l.released = true
	l.rec.Left = true
	l.sign()
	var err error
	for _, f := range l.files {
		err = errors.Join(err, f.close())
	}
	l.files = nil
	l.k.forget(l)
	if err != nil {
		return fmt.Errorf("%w: unlock %s: %v", sdk.ErrUnavailable, l.k.path, err)
	}
	return nil
}

// names reports whether r is this lease's own record.
func (l *lease) names(r reading) bool { return r.ok && r.Record.Incarnation == l.rec.Incarnation }

// sign writes into the lock file who locked it. It tells others whom to wait
// for; if it cannot be written, they poll.
func (l *lease) sign() {
	if len(l.files) == 0 {
		return
	}
	e := entry{Record: l.rec, Seen: max(l.rec.Epoch, l.Terms().Epoch)}
	if err := l.files[len(l.files)-1].write(e.encode()); err != nil {
		l.k.log.Warn("cannot write into the lock file who holds it", "file", l.k.path, "error", err)
	}
}

// raise counts the beat up, unless the record names another that serves: that
// one's silence must show, also while we are next in line.
func (l *lease) raise(cur reading) error {
	r := cur.Record
	if !l.announced && cur.serves() && r.Takeover && !l.names(cur) && l.k.alive(r) != sdk.Dead {
		return nil
	}
	l.beat = max(l.beat, readBeat(l.k.beat)) + 1
	return writeBeat(l.k.beat, l.beat)
}

// keepLock gets the lock for a lease by takeover, once its holder lets go, and
// makes the lock file anew if somebody removed it.
func (l *lease) keepLock() error {
	if n := len(l.files); n > 0 {
		if same, err := l.files[n-1].at(l.k.path); err != nil || same {
			return err
		}
	}
	f, ok, err := l.k.relockPath()
	if err != nil {
		return err
	}
	if !ok && len(l.files) == 0 {
		return nil // by takeover, and the displaced one still has it
	}
	if !ok {
		return fmt.Errorf("%w: %s was removed and another process holds the new one; the store's owner row decides", sdk.ErrUnavailable, l.k.path)
	}
	// The removed file stays locked too: somebody may have opened it before.
	l.files = append(l.files, f)
	if n := len(l.files); n > 2 {
		_ = l.files[1].close()
		l.files = append(l.files[:1], l.files[2:]...)
	}
	l.mu.Lock()
	l.terms.Takeover = false
	l.mu.Unlock()
	l.sign()
	return nil
}

// keepRecord writes the record again if somebody removed it, a late writer of a
// lower epoch replaced it, or it still says that we have no lock.
func (l *lease) keepRecord(cur reading) error {
	takeover := len(l.files) == 0
	if !l.announced || l.names(cur) && cur.Record.Takeover == takeover {
		return nil
	}
	if cur.ok && !l.names(cur) && cur.Record.Lineage != l.rec.Lineage {
		return fmt.Errorf("%w: the record names a store of another lineage; the store's owner row decides", sdk.ErrUnavailable)
	}
	l.rec.Takeover = takeover
	return writeRecord(l.k.record, l.rec)
}

func fenced(by sdk.Record, own uint64) error {
	return fmt.Errorf("%w: the record names %s (pid %d) with epoch %d, this lease is of epoch %d; stop writing",
		sdk.ErrFenced, by.Instance, by.PID, by.Epoch, own)
}

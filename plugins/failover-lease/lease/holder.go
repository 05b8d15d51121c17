package lease

import "github.com/ramet-io/ramet/sdk"

// picture is one look at the files.
type picture struct {
	alive  func(sdk.Record) sdk.Liveness
	record reading // who announced itself last
	lock   reading // who locked the file last
}

func (k *locker) look() (picture, error) {
	r, err := readEntry(k.record)
	if err != nil {
		return picture{}, err
	}
	l, err := readEntry(k.path)
	return picture{k.alive, r, l}, err
}

// lockedBy reports whether the lock file names a process that may still hold it.
func (p picture) lockedBy() bool {
	return p.lock.serves() && p.alive(p.lock.Record) != sdk.Dead
}

// held reports whether one of the files names a living process that has the lock.
// The record alone does while a holder could not sign the lock file.
func (p picture) held() bool {
	has := func(r reading) bool { return r.serves() && !r.Record.Takeover && p.alive(r.Record) == sdk.Alive }
	return has(p.lock) || has(p.record)
}

// nextInLine reports whether the holder of the lock took it after the record
// was announced, so that it knows of that record and will act on it.
func (p picture) nextInLine() bool {
	return p.lockedBy() && p.lock.Record.Incarnation != p.record.Record.Incarnation &&
		p.lock.Seen >= p.record.Record.Epoch
}

// takeoverEnded reports whether a primary that serves without the lock is gone
// and nobody with the lock stands in for it.
func (p picture) takeoverEnded() bool {
	r := p.record.Record
	if !p.record.ok || !r.Takeover || !r.Left && p.alive(r) != sdk.Dead {
		return false
	}
	return !p.nextInLine()
}

// holder names the process that others have to reckon with; see the package
// comment. It is zero if it is not known.
func (p picture) holder() sdk.Record {
	r, l := p.record.Record, p.lock.Record
	switch {
	case !p.lockedBy():
		return r // the last one, for people and as evidence of its death
	case !p.record.ok:
		return l
	case r.Incarnation == l.Incarnation && !r.Left:
		return r
	case r.Takeover && !r.Left && (p.alive(r) != sdk.Dead || !p.nextInLine()):
		return r
	}
	return l
}

// heldBy is the holder for somebody who just found the lock held: a dead or
// departed one cannot be it.
func (p picture) heldBy() sdk.Record {
	h := p.holder()
	if h.Left || p.alive(h) == sdk.Dead && !h.Takeover {
		return sdk.Record{}
	}
	return h
}

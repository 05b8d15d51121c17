package forward

import (
	"container/list"
	"sync"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// unknownRetention is how long a write whose outcome is unknown keeps its record
// in the store for a late question.
const unknownRetention = 5 * time.Minute

// ids draws write ids and knows the floor: the highest sequence below which all
// are answered. Its memory is that of the writes under way and the unknown ones.
type ids struct {
	incarnation string

	mu   sync.Mutex
	last uint64
	open *list.List // of *openID, by rising sequence
}

type openID struct {
	id      sdk.WriteID
	lineage string    // of the store that may have executed it
	expires time.Time // when an unknown one stops holding the floor; zero: under way
}

func newIDs(incarnation string) *ids { return &ids{incarnation: incarnation, open: list.New()} }

// draw returns a new id that holds the floor until settle, or until its
// retention after keep.
func (s *ids) draw() *list.Element {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	return s.open.PushBack(&openID{id: sdk.WriteID{Incarnation: s.incarnation, Sequence: s.last}})
}

// settle says that e is answered.
func (s *ids) settle(e *list.Element) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open.Remove(e)
}

// keep says that e ended unknown over lineage and may be asked about.
func (s *ids) keep(e *list.Element, lineage string, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := e.Value.(*openID)
	o.lineage, o.expires = lineage, now.Add(unknownRetention)
}

// lineage returns that of an id that ended unknown; "" if it is not kept.
func (s *ids) lineage(id sdk.WriteID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.findLocked(id); e != nil {
		return e.Value.(*openID).lineage
	}
	return ""
}

// asked settles an id that ended unknown.
func (s *ids) asked(id sdk.WriteID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.findLocked(id); e != nil {
		s.open.Remove(e)
	}
}

// findLocked returns the element of an id that ended unknown, or nil; s.mu is
// held.
func (s *ids) findLocked(id sdk.WriteID) *list.Element {
	for e := s.open.Front(); e != nil; e = e.Next() {
		if o := e.Value.(*openID); o.id == id && !o.expires.IsZero() {
			return e
		}
	}
	return nil
}

// floor returns the highest sequence at or below which every write is answered.
func (s *ids) floor(now time.Time) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	for e := s.open.Front(); e != nil; e = s.open.Front() {
		o := e.Value.(*openID)
		if o.expires.IsZero() || now.Before(o.expires) {
			return o.id.Sequence - 1
		}
		s.open.Remove(e)
	}
	return s.last
}

func idOf(e *list.Element) sdk.WriteID {
	if e == nil {
		return sdk.WriteID{}
	}
	return e.Value.(*openID).id
}

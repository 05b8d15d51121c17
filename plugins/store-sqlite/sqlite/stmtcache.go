package sqlite

import "container/list"

// maxStatements bounds the compiled statements of one connection.
const maxStatements = 200

// stmtCache keeps the statements used last. The zero value is ready.
type stmtCache struct {
	byText map[string]*list.Element
	order  list.List // front: used last
}

type cacheEntry struct {
	text string
	cs   *compiled
}

func (s *stmtCache) get(text string) *compiled {
	e := s.byText[text]
	if e == nil {
		return nil
	}
	if s.order.Front() != e {
		s.order.MoveToFront(e)
	}
	return e.Value.(*cacheEntry).cs
}

// put adds a statement and closes the one that was not used for longest.
func (s *stmtCache) put(text string, cs *compiled) {
	if s.byText == nil {
		s.byText = map[string]*list.Element{}
	}
	s.byText[text] = s.order.PushFront(&cacheEntry{text, cs})
	if s.order.Len() <= maxStatements {
		return
	}
	last := s.order.Back()
	old := s.order.Remove(last).(*cacheEntry)
	delete(s.byText, old.text)
	if old.cs.busy {
		old.cs.loose = true // release closes it
	} else {
		_ = old.cs.stmt.Close() // it has no state worth an error
	}
}

func (s *stmtCache) clear() {
	for e := s.order.Front(); e != nil; e = e.Next() {
		_ = e.Value.(*cacheEntry).cs.stmt.Close() // the connection goes with it
	}
	s.byText = nil
	s.order.Init()
}

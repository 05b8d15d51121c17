package forward

import (
	"fmt"
	"sync"

	"github.com/ramet-io/ramet/sdk"
)

// maxOpenRows bounds the unfinished results of one transaction.
const maxOpenRows = 256

// served are the transactions of the sessions. They live in the writer's queue;
// this is only where a session finds its own.
type served struct {
	mu  sync.Mutex
	txs map[txKey]*servedTx
}

// txKey has the session in it, so that no session can name another's transaction.
type txKey struct {
	session string
	number  uint64
}

type servedTx struct {
	tx *heldTx

	mu   sync.Mutex
	rows map[uint64]sdk.Rows
	last uint64
}

func newServed() *served { return &served{txs: make(map[txKey]*servedTx)} }

func (s *served) add(k txKey, tx *heldTx) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.txs[k]; taken {
		return false
	}
	s.txs[k] = &servedTx{tx: tx, rows: make(map[uint64]sdk.Rows)}
	return true
}

func (s *served) get(k txKey) *servedTx {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.txs[k]
}

func (s *served) remove(k txKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.txs, k)
}

// session removes and returns the transactions of a session.
func (s *served) session(name string) []*servedTx {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*servedTx
	for k, t := range s.txs {
		if k.session == name {
			out = append(out, t)
			delete(s.txs, k)
		}
	}
	return out
}

func (t *servedTx) keep(rows sdk.Rows) (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.rows) >= maxOpenRows {
		return 0, fmt.Errorf("%w: %d results are open in this transaction; close some", sdk.ErrInvalid, maxOpenRows)
	}
	t.last++
	t.rows[t.last] = rows
	return t.last, nil
}

func (t *servedTx) forget(n uint64) sdk.Rows {
	t.mu.Lock()
	defer t.mu.Unlock()
	rows := t.rows[n]
	delete(t.rows, n)
	return rows
}

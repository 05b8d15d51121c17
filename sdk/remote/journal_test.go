package remote

import (
	"bytes"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

var discard = hclog.NewNullLogger()

// journal is a logger whose entries a test can look at.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func newJournal(level hclog.Level) (*journal, hclog.Logger) {
	j := &journal{}
	return j, hclog.New(&hclog.LoggerOptions{Name: "host", Level: level, Output: j, JSONFormat: true})
}

// entries returns the entries with a message.
func (j *journal) entries(t *testing.T, message string) []map[string]any {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	var list []map[string]any
	for line := range bytes.Lines(j.buf.Bytes()) {
		var e map[string]any
		if err := json.Unmarshal(line, &e); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if e["@message"] == message {
			list = append(list, e)
		}
	}
	return list
}

// await returns the first entry with a message.
func (j *journal) await(t *testing.T, message string) map[string]any {
	t.Helper()
	var e map[string]any
	eventually(t, "log entry "+message, func() bool {
		if list := j.entries(t, message); len(list) > 0 {
			e = list[0]
		}
		return e != nil
	})
	return e
}

// eventually polls a condition, within a generous bound.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it did not come to: %s", what)
		}
	}
}

package remote

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

const (
	lastLines = 20       // kept for reports
	lineBytes = 64 << 10 // a longer line is cut
	keptBytes = 512      // of a line that is kept for reports
	stackMax  = 64 << 10 // of a panic
	// A plugin may log logBurst lines at once and logRate a second for long.
	logBurst = 4000
	logRate  = 1000
)

// logs takes in what a plugin's process prints: hclog's JSON lines with their level
// and fields, and anything else as it is. It keeps the last lines for reports, finds
// panics, and drops what is too much, so that a plugin that floods its log neither
// fills the host's log nor waits for it.
type logs struct {
	name string

	mu      sync.Mutex // guards all below
	to      hclog.Logger
	last    []string // ring of the last lines
	panics  *panicReport
	stack   strings.Builder // of a raw panic, while it is printed
	raw     bool            // inside a raw panic
	tokens  float64
	filled  time.Time
	dropped uint64 // since the last line that was let through
	now     func() time.Time
}

func newLogs(name string, to hclog.Logger) *logs {
	return &logs{name: name, to: to, tokens: logBurst, now: time.Now, filled: time.Now()}
}

// panicReport is what is known of a plugin's panic.
type panicReport struct {
	Value     string `json:"ramet_panic"`
	Stage     string `json:"ramet_stage"`
	Operation string `json:"ramet_operation"`
	Stack     string `json:"ramet_stack"`
}

// redirect sends what comes from now on to another logger.
func (l *logs) redirect(to hclog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
}

func (l *logs) logger() hclog.Logger {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to
}

// read takes in standard error until it ends.
func (l *logs) read(r io.Reader) {
	lines := bufio.NewReaderSize(r, lineBytes)
	for skip := false; ; {
		line, more, err := lines.ReadLine()
		if err != nil {
			break
		}
		if !skip {
			l.line(line)
		}
		skip = more // the rest of a line that is too long is left out
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.endRawLocked()
}

// line takes in one line of standard error.
func (l *logs) line(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(line) > 0 && line[0] == '{' {
		var fields map[string]any
		if json.Unmarshal(line, &fields) == nil {
			l.jsonLocked(line, fields)
			return
		}
	}
	text := string(line)
	l.keepLocked(text)
	if strings.HasPrefix(text, "panic: ") || strings.HasPrefix(text, "fatal error: ") {
		l.raw = true
	}
	if l.raw {
		if l.stack.Len() < stackMax {
			l.stack.WriteString(text + "\n")
		}
		return
	}
	if l.admitLocked() {
		l.to.Info(text, "from", "stderr")
	}
}

// jsonLocked takes in a line of hclog's.
func (l *logs) jsonLocked(line []byte, fields map[string]any) {
	message, _ := fields["@message"].(string)
	level, _ := fields["@level"].(string)
	if _, ok := fields["ramet_panic"]; ok {
		var p panicReport
		if json.Unmarshal(line, &p) == nil {
			l.panics = &p
			return
		}
	}
	if message == "" {
		message = string(line)
	}
	l.keepLocked(level + ": " + message)
	to := hclog.LevelFromString(level)
	if to == hclog.NoLevel {
		to = hclog.Info
	}
	if to < l.to.GetLevel() || !l.admitLocked() {
		return
	}
	logger := l.to
	if module, _ := fields["@module"].(string); module != "" && module != l.name {
		logger = logger.With("module", module)
	}
	for _, own := range []string{"@message", "@level", "@timestamp", "@module", "@caller"} {
		delete(fields, own)
	}
	args := make([]any, 0, 2*len(fields))
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		args = append(args, key, fields[key])
	}
	logger.Log(to, message, args...)
}

// plain takes in a line that belongs to no log.
func (l *logs) plain(from string, line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keepLocked(from + ": " + string(line))
	if l.admitLocked() {
		l.to.Info(string(line), "from", from)
	}
}

// admitLocked reports whether one more line may pass.
func (l *logs) admitLocked() bool {
	now := l.now()
	l.tokens = min(logBurst, l.tokens+logRate*now.Sub(l.filled).Seconds())
	l.filled = now
	if l.tokens < 1 {
		l.dropped++
		return false
	}
	l.tokens--
	l.tellDroppedLocked()
	return true
}

func (l *logs) tellDroppedLocked() {
	if l.dropped > 0 {
		l.to.Warn("the plugin logs too much; lines were dropped", "plugin", l.name, "dropped", l.dropped,
			"limit", fmt.Sprintf("%d at once, %d a second", logBurst, logRate))
		l.dropped = 0
	}
}

// keepLocked keeps a line for reports.
func (l *logs) keepLocked(line string) {
	if len(line) > keptBytes {
		line = line[:keptBytes] + "..."
	}
	if len(l.last) == lastLines {
		l.last = append(l.last[:0], l.last[1:]...)
	}
	l.last = append(l.last, line)
}

// endRawLocked makes a report of a panic that the runtime printed, and tells what
// was dropped.
func (l *logs) endRawLocked() {
	l.tellDroppedLocked()
	if !l.raw || l.panics != nil {
		return
	}
	value, _, _ := strings.Cut(l.stack.String(), "\n")
	l.panics = &panicReport{Value: strings.TrimPrefix(value, "panic: "), Stack: l.stack.String()}
}

// tail returns the last lines.
func (l *logs) tail() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.last)
}

// panicked returns the panic that ended the process, nil if none did. Ask when the
// output was read to its end.
func (l *logs) panicked() *panicReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.panics
}

// quote returns the last lines for an error text.
func (l *logs) quote() string {
	last := l.tail()
	if len(last) == 0 {
		return "it printed nothing"
	}
	return "its last lines: " + strings.Join(last, " | ")
}

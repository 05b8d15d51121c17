package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/mono"
	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// kind says what a message tells.
type kind string

// What a node tells the director.
const (
	kindRole    kind = "role"    // the node's role is now Role
	kindAck     kind = "ack"     // write Key was acknowledged as row Row
	kindUnknown kind = "unknown" // the outcome of write Key is unknown
	kindFeed    kind = "feed"    // the feed showed that these Rows were inserted
	kindGap     kind = "gap"     // the feed said that changes are missing
	kindCount   kind = "count"   // the instance's counters
	kindQuiet   kind = "quiet"   // the writer pauses
	kindPlugins kind = "plugins" // the plugin programs are now Plugins
	kindFault   kind = "fault"   // something happened that must not: Text
)

// What the director tells a node, one word a line. The end of standard input
// means that the director is gone.
const (
	wordPause   = "pause"   // write no more until resume, and say quiet
	wordResume  = "resume"  // write again
	wordPlugins = "plugins" // say which programs serve the stages
	wordLeave   = "leave"   // close the instance and exit
)

// message is one line from a node.
type message struct {
	Kind     kind             `json:"k"`
	At       time.Duration    `json:"t"` // mono.Now at the node
	Key      int64            `json:"n,omitempty"`
	Row      int64            `json:"r,omitempty"`
	Rows     []int64          `json:"rs,omitempty"`
	Role     sdk.Role         `json:"role,omitempty"`
	Epoch    uint64           `json:"epoch,omitempty"`
	Text     string           `json:"text,omitempty"`
	Counters *kernel.Counters `json:"counters,omitempty"`
	Plugins  []pluginAt       `json:"plugins,omitempty"`
}

// reporter writes messages, each with one write, so that a kill leaves no half
// line behind another's. Safe for concurrent use.
type reporter struct {
	mu  sync.Mutex // guards out
	out io.Writer
	err func(error) // told when the director is gone
}

func (r *reporter) send(m message) {
	if m.At == 0 {
		m.At = mono.Now()
	}
	line, err := json.Marshal(m)
	if err == nil {
		r.mu.Lock()
		_, err = r.out.Write(append(line, '\n'))
		r.mu.Unlock()
	}
	if err != nil {
		r.err(err)
	}
}

func (r *reporter) fault(format string, args ...any) {
	r.send(message{Kind: kindFault, Text: fmt.Sprintf(format, args...)})
}

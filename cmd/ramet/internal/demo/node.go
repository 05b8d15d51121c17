package demo

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand"
	"os"
	"sync"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/mono"
	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// NodeOptions says what a node does.
type NodeOptions struct {
	Workdir  string
	Assembly string // "": the bundled plugins
	Name     string
	TTL      time.Duration
	Think    time.Duration
	Seed     int64
}

const (
	countEvery  = 300 * time.Millisecond
	orphanGrace = 2 * time.Second
)

// node is one process of the demonstration.
type node struct {
	o    NodeOptions
	inst *kernel.Instance
	out  *reporter
	end  context.CancelFunc
	work sync.WaitGroup
}

// RunNode joins, writes and reports until it is told to leave, in is at its end
// or ctx is done.
func RunNode(ctx context.Context, o NodeOptions, in io.Reader, out io.Writer) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	n := &node{o: o, end: end, out: &reporter{out: out, err: func(error) { end() }}}
	words := make(chan string)
	go n.read(ctx, in, words) // ends with the process: a read of standard input cannot be interrupted
	cfg, asm, err := config(ctx, o.Assembly, o.Workdir, o.Name, o.TTL, true)
	if err != nil {
		return fmt.Errorf("node %s: %w", o.Name, err)
	}
	defer asm.Close() // after the instance; its programs end with this process too
	inst, err := kernel.Bootstrap(ctx, cfg)
	if err != nil {
		return fmt.Errorf("node %s: %w", o.Name, err)
	}
	n.inst = inst
	w := &writer{db: inst.DB(), out: n.out, name: o.Name, think: o.Think, rnd: rand.New(rand.NewSource(o.Seed))}
	n.work.Go(func() { n.followRoles(ctx) })
	n.work.Go(func() { n.followChanges(ctx) })
	n.work.Go(func() { w.run(ctx) })
	n.obey(ctx, w, words)
	end()
	n.work.Wait()
	n.count(context.WithoutCancel(ctx))
	return inst.Close()
}

// read passes the director's words on. Without a director the node ends, by force
// if leaving takes long.
func (n *node) read(ctx context.Context, in io.Reader, words chan<- string) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		select {
		case words <- lines.Text():
		case <-ctx.Done():
			return
		}
	}
	n.end()
	time.AfterFunc(orphanGrace, func() { os.Exit(1) })
}

// obey does what the director says until it says leave.
func (n *node) obey(ctx context.Context, w *writer, words <-chan string) {
	paused := false
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	defer func() {
		if paused {
			w.gate.Unlock()
		}
	}()
	for {
		select {
		case word := <-words:
			switch {
			case word == wordPause && !paused:
				w.gate.Lock() // taken when the write under way is answered
				paused = true
				n.out.send(message{Kind: kindQuiet})
			case word == wordResume && paused:
				w.gate.Unlock()
				paused = false
			case word == wordPlugins:
				n.listPlugins(ctx)
			case word == wordLeave:
				n.end()
				return
			}
		case <-tick.C:
			n.count(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (n *node) count(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if s, err := n.inst.Status(ctx); err == nil {
		n.out.send(message{Kind: kindCount, Counters: &s.Counters})
	}
}

func (n *node) followRoles(ctx context.Context) {
	for c := range n.inst.Roles(ctx) {
		n.out.send(message{Kind: kindRole, Role: c.Role, Epoch: c.Primary.Epoch, Text: c.Reason})
	}
}

// followChanges reports the rows that the feed shows, from its beginning. A broken
// feed is a fault; it goes on where it was, so that the report stays complete.
func (n *node) followChanges(ctx context.Context) {
	var at sdk.Position
	for ctx.Err() == nil {
		err := n.followFrom(ctx, &at)
		if ctx.Err() == nil {
			n.out.fault("change feed after %q: %v", at, err)
			pause(ctx, 100*time.Millisecond)
		}
	}
}

func (n *node) followFrom(ctx context.Context, at *sdk.Position) error {
	feed, err := n.inst.Changes(ctx, *at)
	if err != nil {
		return err
	}
	defer feed.Close()
	b := &batch{out: n.out}
	defer b.flush()
	for {
		wait, cancel := ctx, context.CancelFunc(func() {})
		if len(b.rows) > 0 { // what is gathered is reported soon even if nothing follows
			wait, cancel = context.WithDeadline(ctx, b.first.Add(flushAfter))
		}
		c, err := feed.Next(wait)
		late := wait.Err() != nil
		cancel()
		if err != nil {
			if late && ctx.Err() == nil {
				b.flush()
				continue
			}
			return err
		}
		*at = c.Position
		b.add(c)
	}
}

const (
	flushAfter = 25 * time.Millisecond
	flushRows  = 500
)

// batch gathers rows so that the feed costs few lines.
type batch struct {
	out   *reporter
	rows  []int64
	first time.Time
}

func (b *batch) add(c sdk.Change) {
	switch {
	case c.Op == sdk.OpGap:
		b.flush()
		b.out.send(message{Kind: kindGap, At: mono.Now()})
	case c.Table == "messages" && c.Op == sdk.OpInsert:
		if len(b.rows) == 0 {
			b.first = time.Now()
		}
		if b.rows = append(b.rows, c.RowID); len(b.rows) >= flushRows {
			b.flush()
		}
	}
}

func (b *batch) flush() {
	if len(b.rows) > 0 {
		b.out.send(message{Kind: kindFeed, Rows: b.rows})
		b.rows = b.rows[:0]
	}
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

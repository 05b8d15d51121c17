package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ramet-io/ramet/cmd/ramet/internal/mono"
	"github.com/ramet-io/ramet/sdk"
)

// Limits of what the director waits for. They end a run that hangs; none of them
// is part of a figure.
const (
	joinLimit    = 30 * time.Second
	promoteLimit = 30 * time.Second
	quietLimit   = 60 * time.Second
	catchUpLimit = 60 * time.Second
	leaveLimit   = 20 * time.Second
)

// errSlow is what a wait of the director ends with at its limit.
var errSlow = errors.New("did not happen in time")

// director runs the demonstration from one goroutine; children's messages reach it
// through events.
type director struct {
	o       Options
	program string
	rnd     *rand.Rand
	view    *view
	events  chan event
	work    sync.WaitGroup

	slots    []*child // the present one of each slot
	all      []*child
	rows     []int64 // acknowledged, in the order in which the director heard of it
	epochs   map[uint64]bool
	kills    []kill
	stops    int
	held     int // stops in which nobody took over
	plugins  int // plugin programs killed
	failures []string
	began    time.Duration
}

// kill is one SIGKILL of a primary and what came of it.
type kill struct {
	victim    *child
	at        time.Duration // mono.Now just before it
	died      time.Duration // when the victim was gone
	promoted  time.Duration // when the next primary knew that it is one
	survivors []*child
}

// Run makes the demonstration. It returns what the processes did, also if that
// was wrong: see Result.Err. Its error means that it could not be made. All
// processes it started are gone when it returns.
func Run(ctx context.Context, o Options) (Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Result{}, err
	}
	remove, err := prepare(&o)
	if err != nil {
		return Result{}, err
	}
	defer remove()
	program, err := os.Executable()
	if err != nil {
		return Result{}, fmt.Errorf("find this program: %w", err)
	}
	d := &director{o: o, program: program, rnd: rand.New(rand.NewSource(o.Seed)),
		events: make(chan event, 1024), epochs: map[uint64]bool{}, began: mono.Now()}
	d.view = newView(d)
	defer d.end()
	if err := d.play(ctx); err != nil {
		return Result{}, err
	}
	d.end()
	d.view.say("check    every row against what was acknowledged")
	return d.judge(ctx)
}

// prepare makes the workspace's directory; the function removes it unless the
// caller chose it.
func prepare(o *Options) (remove func(), err error) {
	if o.Workdir == "" {
		if o.Workdir, err = os.MkdirTemp("", "ramet-demo-"); err != nil {
			return nil, err
		}
		dir := o.Workdir
		return func() { os.RemoveAll(dir) }, nil
	}
	if err := os.MkdirAll(o.Workdir, 0o700); err != nil {
		return nil, fmt.Errorf("%w: %w; choose another --workdir", sdk.ErrInvalid, err)
	}
	if _, err := os.Lstat(filepath.Join(o.Workdir, ".ramet")); err == nil {
		return nil, fmt.Errorf("%w: %s is a workspace already; choose a fresh --workdir", sdk.ErrInvalid, o.Workdir)
	}
	return func() {}, nil
}

// play starts the nodes, makes the faults and has everybody leave.
func (d *director) play(ctx context.Context) error {
	d.slots = make([]*child, d.o.Instances)
	for slot := range d.slots {
		if err := d.launch(slot); err != nil {
			return err
		}
	}
	if err := d.until(ctx, joinLimit, "every node joins and somebody writes", d.ready); err != nil {
		return err
	}
	start := mono.Now()
	if err := d.faults(ctx, start); err != nil {
		return err
	}
	if err := d.pass(ctx, start+d.o.Duration-mono.Now()); err != nil {
		return err
	}
	return d.finish(ctx)
}

// finish has the writers stop, the feeds catch up and the nodes leave.
func (d *director) finish(ctx context.Context) error {
	if err := d.pauseAll(ctx); err != nil {
		return err
	}
	d.view.say("quiet    %d writes acknowledged; the feeds catch up", len(d.rows))
	if err := d.catchUp(ctx); err != nil && !errors.Is(err, errSlow) { // what is missing is counted later
		return err
	}
	for _, c := range d.slots {
		c.expected = true
		c.tell(wordLeave)
	}
	return d.soft(d.until(ctx, leaveLimit, "every node leaves", func() bool { return d.living() == 0 }))
}

// catchUp waits until every feed showed what was acknowledged; nobody may write.
func (d *director) catchUp(ctx context.Context) error {
	return d.until(ctx, catchUpLimit, "every feed catches up", func() bool {
		for _, c := range d.slots {
			if !d.caughtUp(c) {
				return false
			}
		}
		return true
	})
}

// caughtUp reports whether c's feed showed every acknowledged row.
func (d *director) caughtUp(c *child) bool {
	c.ahead = max(c.ahead, c.covered)
	for c.ahead < len(d.rows) && c.seen[d.rows[c.ahead]] > 0 {
		c.ahead++
	}
	return c.ahead == len(d.rows)
}

func (d *director) pauseAll(ctx context.Context) error {
	for _, c := range d.slots {
		c.quiet = false
		c.tell(wordPause)
	}
	return d.soft(d.until(ctx, quietLimit, "every writer pauses", func() bool {
		for _, c := range d.slots {
			if !c.quiet {
				return false
			}
		}
		return true
	}))
}

func (d *director) resumeAll() {
	for _, c := range d.slots {
		c.tell(wordResume)
	}
}

// soft turns a wait that reached its limit into a failure of the demonstration.
func (d *director) soft(err error) error {
	if errors.Is(err, errSlow) {
		d.fail("%v", err)
		return nil
	}
	return err
}

func (d *director) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	d.failures = append(d.failures, text)
	d.view.say("FAULT    %s", text)
}

// launch starts the next node of slot.
func (d *director) launch(slot int) error {
	generation := 0
	for _, c := range d.all {
		if c.slot == slot {
			generation++
		}
	}
	c, err := start(d.program, slot, generation, NodeOptions{Workdir: d.o.Workdir, Assembly: d.o.Assembly, TTL: d.o.TTL,
		Think: d.o.Think, Seed: d.rnd.Int63()}, d.events, &d.work)
	if err != nil {
		return err
	}
	d.slots[slot] = c
	d.all = append(d.all, c)
	d.view.say("start    %s (pid %d)", c.name, c.pid())
	return nil
}

// end kills what still runs and waits for it. Idempotent.
func (d *director) end() {
	for _, c := range d.all {
		if !c.gone {
			c.expected = true
			c.kill()
		}
	}
	for d.living() > 0 {
		d.take(<-d.events)
	}
	d.work.Wait()
	d.view.close()
}

func (d *director) living() int {
	n := 0
	for _, c := range d.all {
		if !c.gone {
			n++
		}
	}
	return n
}

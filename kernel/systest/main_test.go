//go:build unix

package systest

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// nodeEnv makes the test binary run as a node: one instance in a process of its
// own, which obeys the lines on its standard input and ends with it.
const nodeEnv = "RAMET_SYSTEST_NODE"

func TestMain(m *testing.M) {
	if name := os.Getenv(pluginEnv); name != "" {
		os.Exit(servePlugin(name))
	}
	if os.Getenv(nodeEnv) != "" {
		os.Exit(nodeMain(os.Stdin, os.Stdout))
	}
	os.Exit(m.Run())
}

// order is one line to a node.
type order struct {
	ID   int
	Op   string
	Name string // of a transaction, a load or a feed
	SQL  string
	Args []any
	On   bool
	Boot bootOptions
}

// bootOptions are the part of kernel.Config that tests change.
type bootOptions struct {
	Dir         string
	InstanceID  string
	NoFailover  bool
	TTL         time.Duration
	TxIdle      time.Duration
	CallTimeout time.Duration
	Migrate     string // see migrations in migration_test.go
	External    bool   // plugins are programs, whatever the mode
}

// answer is one line from a node. One with ID 0 is news of a load, not an answer.
type answer struct {
	ID     int
	Err    string
	Code   sdk.Code
	Late   bool // Err is because of a deadline
	Gone   bool // the node ended instead of answering; filled in by the harness
	Role   sdk.Role
	Lease  kernel.Lease
	Rows   [][]any
	Status kernel.Status
	Acked  string // news: this key was acknowledged
	Fault  string // news: a write of a load failed
}

// nodeState is what a node holds.
type nodeState struct {
	out   *json.Encoder
	outMu sync.Mutex // guards out

	mu    sync.Mutex // guards what follows
	inst  *kernel.Instance
	txs   map[string]*sql.Tx
	loads map[string]func()
	feeds map[string]*follower
}

// nodeMain reads orders until its input ends, which ends the process as abruptly
// as a crash; SIGTERM and the order "close" leave in good order.
func nodeMain(in io.Reader, out io.Writer) int {
	s := &nodeState{out: json.NewEncoder(out), txs: map[string]*sql.Tx{}, loads: map[string]func(){}, feeds: map[string]*follower{}}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		if err := s.instance().Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}()
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var o order
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			fmt.Fprintln(os.Stderr, "order:", err)
			return 2
		}
		go func() {
			a, err := s.obey(context.Background(), o)
			a.ID = o.ID
			if err != nil {
				a.Err, a.Code, a.Late = err.Error(), sdk.CodeOf(err), errors.Is(err, context.DeadlineExceeded)
			}
			s.say(a)
		}()
	}
	return 0
}

func (s *nodeState) say(a answer) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	if err := s.out.Encode(a); err != nil {
		os.Exit(3) // the parent is gone
	}
}

func (s *nodeState) instance() *kernel.Instance {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inst
}

func (s *nodeState) obey(ctx context.Context, o order) (a answer, err error) {
	i := s.instance()
	switch o.Op {
	case "hello":
	case "boot":
		i, err = s.boot(ctx, o.Boot)
		if err == nil {
			a.Role, a.Lease = i.Role(), i.Lease()
		}
	case "exec":
		_, err = i.DB().ExecContext(ctx, o.SQL, o.Args...)
	case "query":
		a.Rows, err = rowsOf(i.DB().QueryContext(ctx, o.SQL, o.Args...))
	case "role":
		a.Role, a.Lease = i.Role(), i.Lease()
	case "status":
		a.Status, err = i.Status(ctx)
	case "confirm":
		err = i.Confirm(ctx)
	case "failover":
		i.Watcher().SetEnabled(o.On)
	case "close":
		err = i.Close()
	case "begin", "txexec", "commit", "rollback":
		err = s.transact(ctx, i, o)
	case "load":
		s.load(i, o)
	case "unload":
		s.unload(o.Name)
	case "follow":
		err = s.follow(ctx, i, o.Name)
	case "seen":
		a.Rows, err = s.seen(o.Name)
	default:
		err = fmt.Errorf("%w: order %q", sdk.ErrInvalid, o.Op)
	}
	return a, err
}

func (s *nodeState) boot(ctx context.Context, o bootOptions) (*kernel.Instance, error) {
	mode := os.Getenv(modeEnv)
	if o.External {
		mode = "external"
	}
	all, err := choose(mode)
	if err != nil {
		return nil, err
	}
	cfg := kernel.Config{Workdir: o.Dir, InstanceID: o.InstanceID, Plugins: all, Failover: !o.NoFailover,
		TTL: o.TTL, TxIdle: o.TxIdle, CallTimeout: o.CallTimeout}
	if o.External { // tests that kill them do so more often than happens
		restarts(kernel.Restart{Max: 1000})(&cfg)
	}
	if o.Migrate != "" {
		cfg.Migrate, cfg.SchemaVersion = migrations(o), 2
	}
	if os.Getenv("RAMET_TEST_LOG") != "" {
		cfg.Logger = hclog.New(&hclog.LoggerOptions{Name: o.InstanceID, Level: hclog.Debug, Output: os.Stderr, TimeFormat: "05.000"})
	}
	i, err := kernel.Bootstrap(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inst = i
	return i, nil
}

func rowsOf(rows *sql.Rows, err error) (all [][]any, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, to := make([]any, len(columns)), make([]any, len(columns))
		for n := range row {
			to[n] = &row[n]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func (s *nodeState) transact(ctx context.Context, i *kernel.Instance, o order) (err error) {
	if o.Op == "begin" {
		tx, err := i.DB().BeginTx(ctx, nil)
		s.mu.Lock()
		defer s.mu.Unlock()
		s.txs[o.Name] = tx
		return err
	}
	s.mu.Lock()
	tx := s.txs[o.Name]
	s.mu.Unlock()
	switch o.Op {
	case "txexec":
		_, err = tx.ExecContext(ctx, o.SQL, o.Args...)
	case "commit":
		err = tx.Commit()
	case "rollback":
		err = tx.Rollback()
	}
	return err
}

// load runs o.SQL over and over, with a key of its own as the argument, until
// unload. It tells of each key before it goes on, so that the parent knows of every
// acknowledgement, also of a node that was killed.
func (s *nodeState) load(i *kernel.Instance, o order) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	s.mu.Lock()
	s.loads[o.Name] = func() { cancel(); <-done }
	s.mu.Unlock()
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			key := fmt.Sprintf("%s/%d", o.Name, n)
			// Not ctx: a write under way is finished, so that its outcome is known.
			_, err := i.DB().Exec(o.SQL, sql.Named("key", key), sql.Named("name", o.Name))
			if err == nil {
				s.say(answer{Acked: key})
				continue
			}
			s.say(answer{Fault: key + ": " + err.Error()})
			if errors.Is(err, sdk.ErrClosed) {
				return
			}
		}
	}()
}

func (s *nodeState) unload(name string) {
	s.mu.Lock()
	end := s.loads[name]
	s.mu.Unlock()
	end()
}

// follower collects a change feed.
type follower struct {
	mu   sync.Mutex // guards what follows
	rows [][]any
	err  error
}

func (s *nodeState) follow(ctx context.Context, i *kernel.Instance, name string) error {
	feed, err := i.Changes(ctx, sdk.Position{})
	if err != nil {
		return err
	}
	f := &follower{}
	s.mu.Lock()
	s.feeds[name] = f
	s.mu.Unlock()
	go func() {
		defer feed.Close()
		for {
			c, err := feed.Next(ctx)
			f.mu.Lock()
			if err != nil {
				f.err = err
				f.mu.Unlock()
				return
			}
			f.rows = append(f.rows, []any{c.Table, c.Op, c.RowID, c.Position.Row, c.Epoch, c.Position.Lineage})
			f.mu.Unlock()
		}
	}()
	return nil
}

// seen returns what a feed has yielded so far.
func (s *nodeState) seen(name string) ([][]any, error) {
	s.mu.Lock()
	f := s.feeds[name]
	s.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([][]any(nil), f.rows...), f.err
}

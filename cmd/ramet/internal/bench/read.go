package bench

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	_ "modernc.org/sqlite" // the bare driver to compare with

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// Read is a point read through the routed handle against the bare driver, each with
// a context that can end, as a program's requests have, and with one that cannot.
type Read struct {
	Primary        Pair    `json:"primary"`
	PrimaryPlain   Pair    `json:"primary_plain"`
	Secondary      Pair    `json:"secondary"`
	SecondaryPlain Pair    `json:"secondary_plain"`
	Machine        Machine `json:"machine"`
}

// Pair is two handles measured in turns. A round is a block of reads of each.
type Pair struct {
	RoutedUS float64 `json:"routed_us"` // median of all reads
	BareUS   float64 `json:"bare_us"`
	Speed    float64 `json:"speed"` // median over the rounds of bare / routed: 1 is as fast, 0.5 takes twice as long
	Low      float64 `json:"low"`   // its lower and upper quartile
	High     float64 `json:"high"`
	Count    int     `json:"count"` // reads of each
}

const (
	readRows  = 10_000
	readBlock = 200 // reads before it is the other's turn
)

// RunRead measures reads point reads of each kind on each role.
func RunRead(ctx context.Context, parent string, reads int, seed int64) (Read, error) {
	dir, err := os.MkdirTemp(parent, "ramet-bench-")
	if err != nil {
		return Read{}, err
	}
	defer os.RemoveAll(dir)
	r := Read{Machine: thisMachine()}
	if r.Primary, r.PrimaryPlain, err = readAs(ctx, dir, sdk.Primary, reads, seed); err != nil {
		return Read{}, err
	}
	o, err := startOther(ctx, "", dir)
	if err != nil {
		return Read{}, err
	}
	defer o.end()
	r.Secondary, r.SecondaryPlain, err = readAs(ctx, dir, sdk.Secondary, reads, seed)
	return r, err
}

func readAs(ctx context.Context, dir string, role sdk.Role, reads int, seed int64) (cancellable, plain Pair, err error) {
	inst, err := kernel.Bootstrap(ctx, config(dir))
	if err != nil {
		return Pair{}, Pair{}, err
	}
	defer inst.Close()
	if got := inst.Role(); got != role {
		return Pair{}, Pair{}, fmt.Errorf("the instance became %q instead of %q", got, role)
	}
	if role == sdk.Primary {
		if err := fill(ctx, inst.DB()); err != nil {
			return Pair{}, Pair{}, err
		}
	}
	bare, err := openBare(inst.Workspace().DataPath)
	if err != nil {
		return Pair{}, Pair{}, err
	}
	defer bare.Close()
	rnd := rand.New(rand.NewSource(seed))
	canEnd, cancel := context.WithCancel(ctx)
	defer cancel()
	if cancellable, err = compare(canEnd, inst.DB(), bare, reads, rnd); err != nil {
		return Pair{}, Pair{}, err
	}
	plain, err = compare(context.WithoutCancel(ctx), inst.DB(), bare, reads, rnd)
	return cancellable, plain, err
}

// openBare opens the database as the store's readers do, but through database/sql
// and the driver alone. It is the same SQLite library, so its locks know of the
// others'.
func openBare(path string) (*sql.DB, error) {
	u := url.URL{Path: filepath.ToSlash(path)}
	return sql.Open("sqlite", "file:"+u.EscapedPath()+"?mode=ro&_pragma=foreign_keys(1)")
}

func fill(ctx context.Context, db *sql.DB) error {
	if _, err := db.ExecContext(ctx, `CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)`); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
		INSERT INTO notes SELECT i, printf('note number %d, with some text in it', i) FROM n`, readRows)
	return err
}

// compare reads in turns through a statement prepared on each handle.
func compare(ctx context.Context, routed, bare *sql.DB, reads int, rnd *rand.Rand) (Pair, error) {
	var statements [2]*sql.Stmt
	for i, db := range []*sql.DB{routed, bare} {
		s, err := db.PrepareContext(ctx, `SELECT text FROM notes WHERE id = ?`)
		if err != nil {
			return Pair{}, err
		}
		defer s.Close()
		statements[i] = s
	}
	var all [2][]time.Duration
	var speeds []float64
	for round := -1; len(all[0]) < reads; round++ { // the first one warms up
		var took [2][]time.Duration
		for turn := range statements {
			which := (turn + round + 1) % 2 // each goes first as often
			var err error
			if took[which], err = readMany(ctx, statements[which], rnd); err != nil {
				return Pair{}, err
			}
		}
		if round >= 0 {
			speeds = append(speeds, ratio(micros(took[1]), micros(took[0])))
			all[0], all[1] = append(all[0], took[0]...), append(all[1], took[1]...)
		}
	}
	slices.Sort(speeds)
	part := func(q int) float64 { return speeds[len(speeds)*q/4] }
	return Pair{RoutedUS: micros(all[0]), BareUS: micros(all[1]), Speed: part(2), Low: part(1), High: part(3), Count: len(all[0])}, nil
}

// readMany reads one block and says how long each read took.
func readMany(ctx context.Context, s *sql.Stmt, rnd *rand.Rand) ([]time.Duration, error) {
	took := make([]time.Duration, readBlock)
	for i := range took {
		var text string
		id := 1 + rnd.Intn(readRows)
		began := time.Now()
		if err := s.QueryRowContext(ctx, id).Scan(&text); err != nil {
			return nil, err
		}
		took[i] = time.Since(began)
	}
	return took, nil
}

// micros returns the median in microseconds.
func micros(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2].Nanoseconds()) / 1000
}

// Err returns nil.
func (r Read) Err() error { return nil }

// Print prints the figures for people.
func (r Read) Print(out io.Writer) error {
	line := func(name string, p Pair) {
		fmt.Fprintf(out, "point read, %-31s  routed %6.2f us  bare %6.2f us  speed %.2f (quartiles %.2f %.2f)  n %d  (target 0.90)\n",
			name, p.RoutedUS, p.BareUS, p.Speed, p.Low, p.High, p.Count)
	}
	line("primary", r.Primary)
	line("primary, context without end", r.PrimaryPlain)
	line("secondary", r.Secondary)
	line("secondary, context without end", r.SecondaryPlain)
	return nil
}

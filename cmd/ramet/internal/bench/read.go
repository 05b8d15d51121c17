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

// Read is a point read through the routed handle against the bare driver.
type Read struct {
	Primary   Pair    `json:"primary"`
	Secondary Pair    `json:"secondary"`
	Machine   Machine `json:"machine"`
}

// Pair is two medians measured in turns.
type Pair struct {
	RoutedUS float64 `json:"routed_us"`
	BareUS   float64 `json:"bare_us"`
	Speed    float64 `json:"speed"` // bare / routed: 1 is as fast, 0.5 takes twice as long
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
	if r.Primary, err = readAs(ctx, dir, sdk.Primary, reads, seed); err != nil {
		return Read{}, err
	}
	o, err := startOther(ctx, dir)
	if err != nil {
		return Read{}, err
	}
	defer o.end()
	r.Secondary, err = readAs(ctx, dir, sdk.Secondary, reads, seed)
	return r, err
}

func readAs(ctx context.Context, dir string, role sdk.Role, reads int, seed int64) (Pair, error) {
	inst, err := kernel.Bootstrap(ctx, config(dir))
	if err != nil {
		return Pair{}, err
	}
	defer inst.Close()
	if got := inst.Role(); got != role {
		return Pair{}, fmt.Errorf("the instance became %q instead of %q", got, role)
	}
	if role == sdk.Primary {
		if err := fill(ctx, inst.DB()); err != nil {
			return Pair{}, err
		}
	}
	// The same SQLite library opens the file, so its locks know of each other.
	bare, err := sql.Open("sqlite", "file:"+(&url.URL{Path: filepath.ToSlash(inst.Workspace().DataPath)}).EscapedPath()+"?mode=ro")
	if err != nil {
		return Pair{}, err
	}
	defer bare.Close()
	return compare(ctx, inst.DB(), bare, reads, rand.New(rand.NewSource(seed)))
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
	var took [2][]time.Duration
	var statements [2]*sql.Stmt
	for i, db := range []*sql.DB{routed, bare} {
		s, err := db.PrepareContext(ctx, `SELECT text FROM notes WHERE id = ?`)
		if err != nil {
			return Pair{}, err
		}
		defer s.Close()
		statements[i] = s
	}
	for block := 0; len(took[0]) < reads || len(took[1]) < reads; block++ {
		which := block % 2
		for range readBlock {
			var text string
			id := 1 + rnd.Intn(readRows)
			began := time.Now()
			if err := statements[which].QueryRowContext(ctx, id).Scan(&text); err != nil {
				return Pair{}, err
			}
			if block >= 2 { // the first block of each warms up
				took[which] = append(took[which], time.Since(began))
			}
		}
	}
	r, b := micros(took[0]), micros(took[1])
	return Pair{RoutedUS: r, BareUS: b, Speed: ratio(b, r), Count: len(took[0])}, nil
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
		fmt.Fprintf(out, "point read, %-9s  routed %6.2f us  bare %6.2f us  speed %.2f  n %d  (target 0.90)\n",
			name, p.RoutedUS, p.BareUS, p.Speed, p.Count)
	}
	line("primary", r.Primary)
	line("secondary", r.Secondary)
	return nil
}

package forward

import (
	"testing"

	"github.com/ramet-io/ramet/plugins/store-sqlite/sqlite"
	"github.com/ramet-io/ramet/sdk"
)

// BenchmarkWrite compares one caller's write through the client and the queue
// with the same one given to the store directly.
func BenchmarkWrite(b *testing.B) {
	run, err := sqlite.New().Open(b.Context(), sdk.Env{})
	if err != nil {
		b.Fatal(err)
	}
	defer run.Close(b.Context())
	db, err := run.Store().Open(b.Context(), sdk.OpenOptions{Path: b.TempDir() + "/b.db", Role: sdk.Primary, Durability: sdk.DurabilityProcess})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close(b.Context())
	g, err := db.Advance(b.Context(), sdk.Fence{})
	if err != nil {
		b.Fatal(err)
	}
	one := func(sql string, args ...any) []sdk.Request {
		return []sdk.Request{{Statements: []sdk.Statement{stmt(sql, args...)}}}
	}
	if _, err := db.Apply(b.Context(), g.Epoch, one("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)")); err != nil {
		b.Fatal(err)
	}
	b.Run("store", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if res, err := db.Apply(b.Context(), g.Epoch, one("INSERT INTO t(b) VALUES (?)", "text")); err != nil || res[0].Err != nil {
				b.Fatal(err, res)
			}
		}
	})
	w := NewWriter(db, g.Epoch, g.Lineage, WriterOptions{})
	defer w.Close(b.Context())
	c := NewClient(&world{target: Target{Generation: 1, Epoch: g.Epoch, Lineage: g.Lineage, Local: w}}, incarnation, 0)
	b.Run("client", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Write(b.Context(), one("INSERT INTO t(b) VALUES (?)", "text")[0].Statements); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package sqlite

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func benchDB(b *testing.B) (*db, uint64) {
	b.Helper()
	ctx := context.Background()
	d, err := openDB(ctx, sdk.OpenOptions{Path: filepath.Join(b.TempDir(), "a.db"), Role: sdk.Primary, Durability: sdk.DurabilityProcess, ChangeLog: true}, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close(ctx) })
	g, err := d.Advance(ctx, sdk.Fence{})
	if err != nil {
		b.Fatal(err)
	}
	r := request("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c INTEGER)",
		"INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 10000) SELECT i, 'row ' || i, i FROM n")
	if res, err := d.Apply(ctx, g.Epoch, []sdk.Request{r}); err != nil || res[0].Err != nil {
		b.Fatal(err, res)
	}
	return d, g.Epoch
}

// BenchmarkPointRead reads one row by its key, through Query and through
// database/sql with the bare driver.
func BenchmarkPointRead(b *testing.B) {
	const text = "SELECT a, b, c FROM t WHERE a = ?"
	d, _ := benchDB(b)
	ctx := context.Background()
	b.Run("store", func(b *testing.B) {
		b.ReportAllocs()
		q := sdk.Query{Statement: stmt(text, int64(0))}
		for i := int64(0); b.Loop(); i++ {
			q.Statement.Args[0].Value = i%10000 + 1
			r, err := d.Query(ctx, q)
			if err != nil {
				b.Fatal(err)
			}
			block, err := r.Next(ctx)
			if err != nil || len(block.Rows) != 1 {
				b.Fatal(err)
			}
			_ = r.Close()
		}
	})
	bare, err := sql.Open("sqlite", dsn(d.path, true))
	if err != nil {
		b.Fatal(err)
	}
	defer bare.Close()
	prepared, err := bare.Prepare(text)
	if err != nil {
		b.Fatal(err)
	}
	defer prepared.Close()
	scan := func(b *testing.B, row *sql.Row) {
		var a, c int64
		var s string
		if err := row.Scan(&a, &s, &c); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("bare-prepared", func(b *testing.B) {
		b.ReportAllocs()
		for i := int64(0); b.Loop(); i++ {
			scan(b, prepared.QueryRow(i%10000+1))
		}
	})
	b.Run("bare", func(b *testing.B) {
		b.ReportAllocs()
		for i := int64(0); b.Loop(); i++ {
			scan(b, bare.QueryRow(text, i%10000+1))
		}
	})
}

// BenchmarkInsert writes one row with one request, and many with one Apply.
func BenchmarkInsert(b *testing.B) {
	d, epoch := benchDB(b)
	ctx := context.Background()
	one := sdk.Request{Statements: []sdk.Statement{stmt("INSERT INTO t(b, c) VALUES (?, ?)", "text", int64(1))}}
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if res, err := d.Apply(ctx, epoch, []sdk.Request{one}); err != nil || res[0].Err != nil {
				b.Fatal(err, res)
			}
		}
	})
	b.Run("group-of-16-with-ids", func(b *testing.B) {
		b.ReportAllocs()
		group := make([]sdk.Request, 16)
		seq := uint64(0)
		for b.Loop() {
			seq++
			for i := range group {
				group[i] = one
				group[i].ID, group[i].Floor = sdk.WriteID{Incarnation: senderA + string(rune('a'+i)), Sequence: seq}, seq-1
			}
			if res, err := d.Apply(ctx, epoch, group); err != nil || res[3].Err != nil {
				b.Fatal(err, res)
			}
		}
	})
	b.Run("bare-alone", func(b *testing.B) {
		b.ReportAllocs()
		bare, err := sql.Open("sqlite", dsn(d.path, false)+"&_pragma=synchronous(1)")
		if err != nil {
			b.Fatal(err)
		}
		defer bare.Close()
		for b.Loop() {
			if _, err := bare.Exec(one.Statements[0].SQL, "text", int64(1)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package sqlroute

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// rows serves the blocks of a read, or rows that are in memory.
type rows struct {
	// ctx is the query's, which database/sql documents as in use until the rows are
	// closed; driver.Rows has no other way to bound Next.
	ctx     context.Context
	from    sdk.Rows // nil: everything is in block
	columns []sdk.Column
	block   [][]driver.Value
	at      int          // next row of block
	last    bool         // no block follows
	tx      *transaction // that from belongs to; nil: none
	gone    bool         // the transaction ended before the rows did
	room    [2]string    // for the names of few columns, so that they are no allocation of their own
}

var (
	_ driver.RowsColumnTypeDatabaseTypeName = (*rows)(nil)
	_ driver.RowsColumnTypeScanType         = (*rows)(nil)
	_ driver.RowsColumnTypeNullable         = (*rows)(nil)
	_ driver.RowsColumnTypeLength           = (*rows)(nil)
)

// fill gets the next block.
func (r *rows) fill() error {
	b, err := r.from.Next(r.ctx)
	if errors.Is(err, io.EOF) {
		b, err = sdk.Block{Last: true}, nil
	}
	if err != nil {
		return safe(err)
	}
	r.block, r.at, r.last = b.Rows, 0, b.Last
	if !r.last {
		return nil
	}
	// Free the reader now: the caller may keep the rows open for long.
	return r.free()
}

// keep reads the rest of the rows, so that they outlive their transaction.
func (r *rows) keep() error {
	all := r.block
	for !r.last {
		if err := r.fill(); err != nil {
			return err
		}
		all = append(all, r.block...)
	}
	r.block = all
	return nil
}

// free closes what the rows come from.
func (r *rows) free() error {
	if r.from == nil {
		return nil
	}
	from := r.from
	r.from = nil
	if r.tx != nil {
		delete(r.tx.rows, r)
		r.tx = nil
	}
	return safe(from.Close())
}

// Columns returns the names. The slice is the caller's.
func (r *rows) Columns() []string {
	n := len(r.columns)
	if n > len(r.room) {
		return appendNames(make([]string, 0, n), r.columns)
	}
	return appendNames(r.room[:0:n], r.columns)
}

func appendNames(names []string, columns []sdk.Column) []string {
	for i := range columns {
		names = append(names, columns[i].Name)
	}
	return names
}

// Next copies the next row to dest, or returns io.EOF.
func (r *rows) Next(dest []driver.Value) error {
	for r.at >= len(r.block) {
		if r.gone {
			return fmt.Errorf("%w: the transaction of these rows ended before they were read; read them first", sdk.ErrClosed)
		}
		if r.last {
			return io.EOF
		}
		if err := r.fill(); err != nil {
			return err
		}
	}
	copy(dest, r.block[r.at])
	r.at++
	return nil
}

// Close frees the rows. Idempotent.
func (r *rows) Close() error {
	r.block, r.at, r.last = nil, 0, true
	return r.free()
}

// ColumnTypeDatabaseTypeName returns the declared type in upper case; "" for an
// expression.
func (r *rows) ColumnTypeDatabaseTypeName(i int) string {
	return strings.ToUpper(r.columns[i].DeclType)
}

// ColumnTypeNullable says that any column may be null.
func (r *rows) ColumnTypeNullable(int) (nullable, ok bool) { return true, true }

// ColumnTypeLength returns the largest length of text and blobs.
func (r *rows) ColumnTypeLength(i int) (int64, bool) {
	switch r.value(i).(type) {
	case string, time.Time, []byte:
		return math.MaxInt64, true
	}
	return 0, false
}

// ColumnTypeScanType returns the type of the value in the current row, or the
// first one before Next: SQLite types values, not columns. It is nil for null and
// when there is no row.
func (r *rows) ColumnTypeScanType(i int) reflect.Type {
	switch r.value(i).(type) {
	case int64:
		switch r.ColumnTypeDatabaseTypeName(i) {
		case "BOOLEAN":
			return reflect.TypeFor[bool]()
		case "DATE", "DATETIME", "TIME", "TIMESTAMP":
			return reflect.TypeFor[time.Time]()
		}
		return reflect.TypeFor[int64]()
	case float64:
		return reflect.TypeFor[float64]()
	case []byte:
		return reflect.TypeFor[[]byte]()
	case nil:
		return nil
	}
	return reflect.TypeFor[string]()
}

func (r *rows) value(i int) driver.Value {
	at := max(r.at-1, 0)
	if at >= len(r.block) {
		return nil
	}
	return r.block[at][i]
}

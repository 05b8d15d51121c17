package sqlite

import (
	"context"
	"database/sql/driver"
	"io"
	"slices"

	"github.com/ramet-io/ramet/sdk"
)

const (
	blockBytes = 64 << 10 // size at which a block is full
	slabRows   = 128      // most rows whose values are one allocation
)

// readBlock reads the next rows of dr. The driver copies what it gives, so the
// values are the block's. The driver watches the query's context only until the
// first row, so it is looked at here before each of the others; a step that
// itself takes long is not cut off, since the driver shows no way to.
func readBlock(ctx context.Context, dr driver.Rows, columns int) (sdk.Block, error) {
	return readInto(ctx, dr, columns, nil)
}

// readInto is readBlock after rows that were read already. It makes little more
// room than is needed: what a scan leaves to the collector is what it costs over
// the bare driver.
func readInto(ctx context.Context, dr driver.Rows, columns int, rows [][]driver.Value) (sdk.Block, error) {
	var slab []driver.Value
	size := 0
	for _, row := range rows {
		size += rowSize(row)
	}
	for size < blockBytes {
		if len(slab) < columns {
			slab = make([]driver.Value, columns*min(max(2, 2*len(rows)), slabRows, rowsLeft(len(rows), size)))
		}
		row := slab[:columns:columns]
		slab = slab[columns:]
		if err := ctx.Err(); err != nil {
			return sdk.Block{}, err
		}
		switch err := dr.Next(row); {
		case err == io.EOF:
			return sdk.Block{Rows: rows, Last: true}, nil
		case err != nil:
			return sdk.Block{}, err
		}
		if len(rows) == cap(rows) && len(rows) >= slabRows {
			rows = slices.Grow(rows, rowsLeft(len(rows), size))
		}
		rows = append(rows, row)
		size += rowSize(row)
	}
	return sdk.Block{Rows: rows}, nil
}

// rowsLeft estimates how many more rows like the first ones fill the block.
func rowsLeft(rows, size int) int {
	if rows == 0 {
		return slabRows
	}
	return (blockBytes-size)/(size/rows) + 1
}

func rowSize(row []driver.Value) int {
	size := 16
	for _, v := range row {
		size += valueSize(v)
	}
	return size
}

func valueSize(v driver.Value) int {
	switch x := v.(type) {
	case string:
		return 16 + len(x)
	case []byte:
		return 24 + len(x)
	}
	return 16
}

package main

import (
	"bufio"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// measured is how many rows decide the widths of a table's columns: later rows
// are printed as they come, so that a large result needs little memory.
const measured = 1000

// blobShown is how many bytes of a blob a table shows.
const blobShown = 32

// each calls do with every row.
func each(columns []string, rows *sql.Rows, do func([]any) error) error {
	values := make([]any, len(columns))
	into := make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := do(values); err != nil {
			return err
		}
	}
	return rows.Err()
}

// printTable prints rows in columns, for people.
func printTable(out io.Writer, columns []string, rows *sql.Rows) error {
	b := bufio.NewWriter(out)
	held := [][]string{header(columns)}
	var widths []int
	err := each(columns, rows, func(values []any) error {
		row := make([]string, len(values))
		for i, v := range values {
			row[i] = shown(v)
		}
		if widths == nil {
			if held = append(held, row); len(held) <= measured {
				return nil
			}
			widths = printHeld(b, held)
			return nil
		}
		return printRow(b, row, widths)
	})
	if widths == nil {
		printHeld(b, held)
	}
	if flush := b.Flush(); err == nil {
		err = flush
	}
	return err
}

func header(columns []string) []string {
	h := make([]string, len(columns))
	for i, c := range columns {
		h[i] = printable(c)
	}
	return h
}

func printHeld(b *bufio.Writer, held [][]string) []int {
	widths := make([]int, len(held[0]))
	for _, row := range held {
		for i, s := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(s))
		}
	}
	for n, row := range held {
		printRow(b, row, widths)
		if n > 0 {
			continue
		}
		rule := make([]string, len(widths))
		for i, w := range widths {
			rule[i] = strings.Repeat("-", max(w, 1))
		}
		printRow(b, rule, widths)
	}
	return widths
}

func printRow(b *bufio.Writer, row []string, widths []int) error {
	var line strings.Builder
	for i, s := range row {
		line.WriteString(s)
		line.WriteString(strings.Repeat(" ", max(0, widths[i]-utf8.RuneCountInString(s))+2))
	}
	_, err := b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	return err
}

// shown is a value as a table shows it.
func shown(v any) string {
	switch v := v.(type) {
	case nil:
		return "NULL"
	case []byte:
		if len(v) > blobShown {
			return fmt.Sprintf("x'%s...' (%d bytes)", hex.EncodeToString(v[:blobShown]), len(v))
		}
		return "x'" + hex.EncodeToString(v) + "'"
	case string:
		return printable(v)
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// printable keeps a text on its line and the terminal safe from it.
func printable(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError }) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// printObjects prints one JSON object per row, members in the order of columns.
func printObjects(out io.Writer, columns []string, rows *sql.Rows) error {
	b := bufio.NewWriter(out)
	names, err := memberNames(columns)
	if err != nil {
		return err
	}
	err = each(columns, rows, func(values []any) error {
		for i, v := range values {
			text, err := json.Marshal(jsonValue(v))
			if err != nil {
				return fmt.Errorf("column %q: %w", columns[i], err)
			}
			b.WriteString(names[i])
			b.Write(text)
		}
		_, err := b.WriteString("}\n")
		return err
	})
	if flush := b.Flush(); err == nil {
		err = flush
	}
	return err
}

// memberNames returns what stands before each value. A repeated column name gets
// a number, because readers of JSON keep only one of equal members.
func memberNames(columns []string) ([]string, error) {
	used := map[string]bool{}
	names := make([]string, len(columns))
	for i, c := range columns {
		name := c
		for n := 2; used[name]; n++ {
			name = c + "_" + strconv.Itoa(n)
		}
		used[name] = true
		text, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		lead := ","
		if i == 0 {
			lead = "{"
		}
		names[i] = lead + string(text) + ":"
	}
	return names, nil
}

func jsonValue(v any) any {
	switch v := v.(type) {
	case []byte:
		return map[string]string{"base64": base64.StdEncoding.EncodeToString(v)}
	case float64:
		if math.IsInf(v, 0) || math.IsNaN(v) { // JSON has no word for them
			return strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return v
}

package lease

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// fileFormat is the version of the JSON in lock and record.
const fileFormat = 1

// maxFile bounds what is read of a file that anything may have been written to.
const maxFile = 64 << 10

// entry is the content of the record and of the lock file.
type entry struct {
	Format int        `json:"format"`
	Record sdk.Record `json:"record"`
	// Seen is the highest epoch in a record when the lock was taken. It tells a
	// displaced holder (which locked before the taker's epoch) from the next in
	// line (which locked after).
	Seen uint64 `json:"seen"`
}

// reading is what was found in one of the files.
type reading struct {
	entry
	ok      bool // entry is meaningful
	missing bool // there is no file
}

// serves reports whether it names a process that did not leave.
func (r reading) serves() bool { return r.ok && !r.Record.Left }

// readEntry reads one of the files. Garbage is no error: it tells nothing, and
// whoever wrote it may still hold the lock.
func readEntry(path string) (reading, error) {
	raw, err := readQuiet(path)
	if errors.Is(err, fs.ErrNotExist) {
		return reading{missing: true}, nil
	}
	if errors.Is(err, errNotRegular) {
		return reading{}, nil // the next rename replaces it
	}
	if err != nil {
		return reading{}, fmt.Errorf("%w: read %s: %v", sdk.ErrUnavailable, path, err)
	}
	var e entry
	// The first value only: the lock file is rewritten in place, and a reader may
	// find the tail of a longer, older content behind it.
	if err := json.NewDecoder(bytes.NewReader(raw)).Decode(&e); err != nil {
		return reading{}, nil
	}
	if e.Format != fileFormat || e.Record.PID < 0 || e.Record.Incarnation == "" {
		return reading{}, nil
	}
	return reading{entry: e, ok: true}, nil
}

var tempCounter atomic.Uint64

// writeRecord replaces the record. It is not synced: after a power cut nobody
// serves, and garbage is tolerated.
func writeRecord(path string, r sdk.Record) error {
	raw, err := json.Marshal(entry{Format: fileFormat, Record: r})
	if err != nil {
		return fmt.Errorf("%w: encode record: %v", sdk.ErrInternal, err)
	}
	temp := fmt.Sprintf("%s.tmp-%d-%d", path, os.Getpid(), tempCounter.Add(1))
	if err := writeTemp(temp, append(raw, '\n')); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("%w: write %s: %v; is the disk full?", sdk.ErrUnavailable, temp, err)
	}
	if err := replace(temp, path); err != nil {
		_ = os.Remove(temp)
		return fmt.Errorf("%w: replace %s: %v", sdk.ErrUnavailable, path, err)
	}
	return nil
}

func writeTemp(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	reserve(f, len(b))
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}

// replace renames. Windows refuses while a reader has the target open, which
// takes microseconds.
func replace(from, to string) error {
	err := os.Rename(from, to)
	for i := 0; err != nil && runtime.GOOS == "windows" && i < 50; i++ {
		time.Sleep(time.Millisecond)
		err = os.Rename(from, to)
	}
	return err
}

// sweepTemps removes what writers that were killed left behind. Those of living
// processes stay.
func sweepTemps(record string) {
	temps, _ := filepath.Glob(record + ".tmp-*")
	for _, t := range temps {
		pid, _, _ := strings.Cut(strings.TrimPrefix(t, record+".tmp-"), "-")
		if n, err := strconv.Atoi(pid); err != nil || n != os.Getpid() && !processExists(n) {
			_ = os.Remove(t)
		}
	}
}

// beatWidth is that of the largest uint64, so that a new value overwrites the old.
const beatWidth = 20

// readBeat returns the counter; 0 if there is none or it is garbage.
func readBeat(path string) uint64 {
	raw, err := readQuiet(path)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64)
	return n
}

// writeBeat sets the counter in place: one small write, which needs no new block
// on a full disk.
func writeBeat(path string, n uint64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|openFlags, 0o600)
	if err != nil {
		return fmt.Errorf("%w: write %s: %v", sdk.ErrUnavailable, path, err)
	}
	_, err = f.WriteAt(fmt.Appendf(nil, "%0*d\n", beatWidth, n), 0)
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%w: write %s: %v", sdk.ErrUnavailable, path, err)
	}
	return nil
}

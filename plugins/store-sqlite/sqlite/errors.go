package sqlite

import (
	"context"
	"errors"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
	engine "modernc.org/sqlite"
)

// SQLite's result codes that this package tells apart.
// See https://www.sqlite.org/rescode.html.
const (
	codeBusy       = 5
	codeLocked     = 6
	codeNoMemory   = 7
	codeReadOnly   = 8
	codeIO         = 10
	codeCorrupt    = 11
	codeFull       = 13
	codeCantOpen   = 14
	codeProtocol   = 15
	codeAuth       = 23
	codeNotADB     = 26
	codeConstraint = 19
	codeForeignKey = 787 // SQLITE_CONSTRAINT_FOREIGNKEY
)

// codeOf returns the extended result code of the engine's error in err; 0 if
// there is none.
func codeOf(err error) int {
	if e := (*engine.Error)(nil); errors.As(err, &e) {
		return e.Code()
	}
	if e := (*sdk.SQLError)(nil); errors.As(err, &e) {
		return e.Extended
	}
	return 0
}

// isBusy says whether err means "try again soon": BUSY with its extended forms
// (RECOVERY 261, SNAPSHOT 517), and PROTOCOL, a lost race for a lock of the WAL.
func isBusy(err error) bool {
	if err == nil {
		return false
	}
	primary := codeOf(err) & 0xff
	return primary == codeBusy || primary == codeProtocol
}

// isFatal says whether err concerns the database and not the statement: no
// space, no memory, or the file cannot be read or written.
func isFatal(err error) bool {
	switch codeOf(err) & 0xff {
	case codeFull, codeIO, codeNoMemory, codeCantOpen:
		return true
	}
	return false
}

// sqlError gives err the type of the contract: *sdk.SQLError for what the engine
// said, ctx's own error, ErrInvalid for arguments that do not fit.
func sqlError(err error) error {
	if err == nil {
		return nil
	}
	if e := (*engine.Error)(nil); errors.As(err, &e) {
		return &sdk.SQLError{Extended: e.Code(), Text: e.Error()}
	}
	if e := (*sdk.SQLError)(nil); errors.As(err, &e) || sdk.CodeOf(err) != 0 {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("%w: %v", sdk.ErrInvalid, err)
}

// unavailable says that nothing was applied because of cause.
func unavailable(what string, cause error) error {
	return fmt.Errorf("%w: %s: %w", sdk.ErrUnavailable, what, sqlError(cause))
}

// damaged turns the engine's word for a file that is no database into ErrCorrupt.
func damaged(path string, err error) error {
	switch codeOf(err) & 0xff {
	case codeNotADB:
		return fmt.Errorf("%w: %s is not a SQLite database; it was left as it is, name another path", sdk.ErrCorrupt, path)
	case codeCorrupt:
		return fmt.Errorf("%w: %s: %v; keep the files and restore a backup", sdk.ErrCorrupt, path, err)
	}
	return err
}

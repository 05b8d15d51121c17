package sqlroute

import (
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// safe keeps database/sql from running something again: it does so for
// driver.ErrBadConn and for driver.ErrSkip, and neither knows of write ids.
func safe(err error) error {
	if err == nil || (!errors.Is(err, driver.ErrBadConn) && !errors.Is(err, driver.ErrSkip)) {
		return err
	}
	return fmt.Errorf("%w: the backend returned %v", sdk.ErrInternal, err)
}

// engineError is an error that SQLite would give, in its words, for what is
// decided here instead of by the engine.
func engineError(text string) error {
	return &sdk.SQLError{Extended: 1, Text: "SQL logic error: " + text + " (1)"}
}

func isLost(err error) bool { return errors.Is(err, sdk.ErrTxLost) }

func errClosed() error {
	return fmt.Errorf("%w: this database connection", sdk.ErrClosed)
}

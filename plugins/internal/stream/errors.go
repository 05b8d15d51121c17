package stream

import (
	"context"
	"errors"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// encodeError and decodeError are the one place that knows how errors travel.
func encodeError(err error) []byte { return wire.AppendError(nil, err) }

func decodeError(p []byte) error {
	err, bad := wire.DecodeError(p)
	switch {
	case bad != nil:
		return &sdk.OutcomeUnknownError{Cause: fmt.Errorf("the answer is damaged: %w", bad)}
	case err == nil:
		return &sdk.OutcomeUnknownError{Cause: errors.New("the answer is an error without content")}
	}
	return settled(err)
}

// settled turns a bare context error of a Handle into an unknown outcome: it says
// that the Handle was cut short, not what it had done by then.
func settled(err error) error {
	bare := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if bare && sdk.CodeOf(err) == 0 {
		return &sdk.OutcomeUnknownError{Cause: err}
	}
	return err
}

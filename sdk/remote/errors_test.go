package remote

import (
	"context"
	"errors"
	"testing"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/wire"
)

// TestFateOfEachMethod: what a caller is told when the plugin's process died, for
// each method, sent and not sent.
func TestFateOfEachMethod(t *testing.T) {
	why := &goneError{"x", 1, errGone}
	type fates struct{ unsent, sent error }
	special := map[op]fates{
		opLeaseAnnounce: {sdk.ErrUnavailable, sdk.ErrOutcomeUnknown},
		opDBAdvance:     {sdk.ErrUnavailable, sdk.ErrOutcomeUnknown},
		opDBSetSchema:   {sdk.ErrUnavailable, sdk.ErrOutcomeUnknown},
		opDBApply:       {sdk.ErrUnavailable, sdk.ErrOutcomeUnknown},
		opServerPublish: {sdk.ErrUnavailable, sdk.ErrOutcomeUnknown},
		opLinkCall:      {sdk.ErrUnavailable, sdk.ErrOutcomeUnknown},
		opLinkPublish:   {sdk.ErrUnavailable, sdk.ErrOutcomeUnknown},
		opHandlerHandle: {sdk.ErrUnavailable, sdk.ErrOutcomeUnknown},
		opDBOutcome:     {sdk.ErrOutcomeUnknown, sdk.ErrOutcomeUnknown}, // ErrUnavailable would mean "not applied"
		opTxExec:        {sdk.ErrTxLost, sdk.ErrTxLost},
		opTxQuery:       {sdk.ErrTxLost, sdk.ErrTxLost},
		opTxCommit:      {sdk.ErrTxLost, sdk.ErrOutcomeUnknown},
		opDrop:          {}, opLeaseRelease: {}, opDBClose: {}, opTxRollback: {}, opRowsClose: {}, opFeedClose: {},
		opServerClose: {}, opLinkClose: {}, opSubscriptionClose: {},
	}
	for o := range opNames {
		want, ok := special[o]
		if !ok {
			want = fates{sdk.ErrUnavailable, sdk.ErrUnavailable}
		}
		for sent, want := range map[bool]error{false: want.unsent, true: want.sent} {
			got := explain(o, &brokenError{sent: sent, why: why})
			if want == nil && got != nil || want != nil && (!errors.Is(got, want) || !errors.Is(got, why)) {
				t.Errorf("%s, sent %v: %v, want %v", o, sent, got, want)
			}
			for _, k := range []error{sdk.ErrUnavailable, sdk.ErrOutcomeUnknown, sdk.ErrTxLost} {
				if k != want && errors.Is(got, k) {
					t.Errorf("%s, sent %v: %v is also %v", o, sent, got, k)
				}
			}
		}
	}
}

// TestSilenceIsNeverNotExecuted: a call that was sent and not answered may have
// been executed.
func TestSilenceIsNeverNotExecuted(t *testing.T) {
	for o := range opNames {
		got := explain(o, &silentError{context.DeadlineExceeded})
		if errors.Is(got, sdk.ErrUnavailable) || !errors.Is(got, context.DeadlineExceeded) {
			t.Errorf("%s: %v", o, got)
		}
		if f := fateOf(o); (f == fateWrite || f == fateCommit || f == fateOutcome) != errors.Is(got, sdk.ErrOutcomeUnknown) {
			t.Errorf("%s: %v", o, got)
		}
	}
}

func TestEveryErrorCrossesTheControlConnection(t *testing.T) {
	list := []error{context.Canceled, &sdk.SQLError{Extended: 19, Text: "constraint"}, &sdk.HeldError{What: "lock", Holder: sdk.Record{PID: 4}}}
	for c := sdk.Code(1); sdk.KindOf(c) != nil; c++ {
		list = append(list, sdk.KindOf(c))
	}
	for _, err := range list {
		got := errorOfPB(errorPB(err))
		if got == nil || got.Error() != err.Error() || sdk.CodeOf(got) != sdk.CodeOf(err) {
			t.Errorf("%v came as %v", err, got)
		}
	}
	if err := errorOfPB(errorPB(nil)); err != nil {
		t.Errorf("no error came as %v", err)
	}
	if got, bad := wire.DecodeError(wire.AppendError(nil, explain(opDBApply, &brokenError{sent: true, why: errGone}))); bad != nil || !errors.Is(got, sdk.ErrOutcomeUnknown) {
		t.Errorf("%v, %v", got, bad)
	}
}

// TestCallCutShortByCloseIsClosed: the answer to a waiting call may not come through
// any more when the plugin is closed.
func TestCallCutShortByCloseIsClosed(t *testing.T) {
	for o, want := range map[op]error{opLockAwait: sdk.ErrClosed, opDBQuery: sdk.ErrClosed, opDBApply: sdk.ErrOutcomeUnknown, opTxExec: sdk.ErrTxLost} {
		if got := explain(o, &brokenError{sent: true, why: errClosed}); !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", o, got, want)
		}
	}
}

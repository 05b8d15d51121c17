package wire

import (
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"reflect"

	"github.com/ramet-io/ramet/sdk"
)

// codec is one pair of functions, with its type hidden.
type codec struct {
	name string
	// random makes a value and sends it; it returns both ends.
	random func(*rand.Rand) (sent, got any, b []byte, err error)
	// decode reads b and, if it could, encodes and reads again.
	decode func(b []byte) (first, second any, err error)
}

func pair[T any](name string, app func([]byte, T) []byte, dec func([]byte) (T, error)) codec {
	return codec{
		name: name,
		random: func(rnd *rand.Rand) (any, any, []byte, error) {
			var v T
			fill(reflect.ValueOf(&v).Elem(), rnd, 3)
			b := app([]byte("kept"), v)
			if string(b[:4]) != "kept" {
				return v, v, b, fmt.Errorf("the slice appended to was overwritten")
			}
			got, err := dec(b[4:])
			return v, got, b[4:], err
		},
		decode: func(b []byte) (any, any, error) {
			v, err := dec(b)
			if err != nil {
				return v, v, err
			}
			again, bad := dec(app(nil, v))
			if bad != nil {
				panic(fmt.Sprintf("%s: wrote what it cannot read: %v", name, bad))
			}
			return v, again, nil
		},
	}
}

// decodeErrorAlone fits DecodeError into the table.
func decodeErrorAlone(b []byte) (error, error) { return DecodeError(b) }

func codecs() []codec {
	return []codec{
		pair("Error", AppendError, decodeErrorAlone),
		pair("Record", AppendRecord, DecodeRecord),
		pair("Scope", AppendScope, DecodeScope),
		pair("Peer", AppendPeer, DecodePeer),
		pair("Message", AppendMessage, DecodeMessage),
		pair("Event", AppendEvent, DecodeEvent),
		pair[driver.Value]("Value", AppendValue, DecodeValue),
		pair("Argument", appendNamed, decodeNamed),
		pair("Block", AppendBlock, DecodeBlock),
		pair("Column", AppendColumn, DecodeColumn),
		pair("Columns", AppendColumns, DecodeColumns),
		pair("Request", AppendRequest, DecodeRequest),
		pair("Requests", AppendRequests, DecodeRequests),
		pair("Statement", AppendStatement, DecodeStatement),
		pair("WriteID", AppendWriteID, DecodeWriteID),
		pair("Result", AppendResult, DecodeResult),
		pair("Results", AppendResults, DecodeResults),
		pair("Position", AppendPosition, DecodePosition),
		pair("Change", AppendChange, DecodeChange),
		pair("Changes", AppendChanges, DecodeChanges),
		pair("OpenOptions", AppendOpenOptions, DecodeOpenOptions),
		pair("StoreStatus", AppendStoreStatus, DecodeStoreStatus),
		pair("Fence", AppendFence, DecodeFence),
		pair("Grant", AppendGrant, DecodeGrant),
		pair("Query", AppendQuery, DecodeQuery),
		pair("Prepared", AppendPrepared, DecodePrepared),
		pair("TxOptions", AppendTxOptions, DecodeTxOptions),
		pair("Claim", AppendClaim, DecodeClaim),
		pair("Terms", AppendTerms, DecodeTerms),
		pair("Holding", AppendHolding, DecodeHolding),
		pair[sdk.Liveness]("LivenessAnswer", AppendLiveness, DecodeLiveness),
		pair("Evidence", AppendEvidence, DecodeEvidence),
		pair("Judgement", AppendJudgement, DecodeJudgement),
		pair("Info", AppendInfo, DecodeInfo),
		pair("Option", AppendOption, DecodeOption),
		pair("Env", AppendEnv, DecodeEnv),
		pair("Workspace", AppendWorkspace, DecodeWorkspace),
		pair("Health", AppendHealth, DecodeHealth),
		pair("Endpoints", AppendEndpoints, DecodeEndpoints),
		pair("EndpointSets", AppendEndpointSets, DecodeEndpointSets),
	}
}

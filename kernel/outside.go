package kernel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/ramet-io/ramet/sdk"
)

// What programs without this kernel ask of the primary; docs/zmq-wire.md describes
// it. An instance reads its own copy of the change log instead.

// changeLine is a change as a line of JSON, the same as in ramet sub --changes --json.
type changeLine struct {
	Position string       `json:"position"`
	Epoch    uint64       `json:"epoch"`
	Op       sdk.ChangeOp `json:"op"`
	Table    string       `json:"table"`
	RowID    int64        `json:"rowid"`
	NoRowID  bool         `json:"no_rowid,omitempty"`
}

// changesAfter returns the next changes after a position in text form, one a line;
// nothing if there is none at the moment. It never waits: who asks subscribes to
// topicCommit, and asks until nothing comes.
func (i *Instance) changesAfter(ctx context.Context, position []byte) ([]byte, error) {
	if i.cfg.NoChangeLog {
		return nil, fmt.Errorf("%w: Config.NoChangeLog is set", sdk.ErrUnsupported)
	}
	from, err := sdk.ParsePosition(string(position))
	if err != nil {
		return nil, err
	}
	feed, err := i.reader.Changes(ctx, from)
	if err != nil {
		return nil, i.parts.at(sdk.StageStore, "changes", err)
	}
	defer feed.Close()
	changes, err := feed.Next(ctx)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, i.parts.at(sdk.StageStore, "changes", err)
	}
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	for _, c := range changes {
		if err := lines.Encode(changeLine{c.Position.String(), c.Epoch, c.Op, c.Table, c.RowID, c.NoRowID}); err != nil {
			return nil, fmt.Errorf("%w: change at %s: %v", sdk.ErrInternal, c.Position, err)
		}
	}
	return b.Bytes(), nil
}

package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// New returns the plugin "store-sqlite". It holds no state.
func New() sdk.Plugin { return plugin{} }

type plugin struct{}

// Describe implements sdk.Plugin.
func (plugin) Describe() sdk.Info {
	return sdk.Info{
		Name:    "store-sqlite",
		Version: "0.1.0",
		Stages:  []sdk.Stage{sdk.StageStore},
		Capabilities: []sdk.Capability{
			sdk.CapInteractiveTx, sdk.CapLocalReads, sdk.CapLinearizable, sdk.CapChangeLog,
			sdk.CapReplayFull, sdk.CapDialectSQLite, sdk.CapPowerSafe,
		},
	}
}

// Open implements sdk.Plugin. There are no options yet.
func (p plugin) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	if len(env.Options) > 0 {
		var o map[string]json.RawMessage
		if err := json.Unmarshal(env.Options, &o); err != nil {
			return nil, fmt.Errorf("%w: options of store-sqlite: %v; give a JSON object", sdk.ErrInvalid, err)
		}
		for key := range o {
			return nil, fmt.Errorf("%w: store-sqlite has no option %q; remove it", sdk.ErrInvalid, key)
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return &running{ended: make(chan struct{}), open: map[*db]struct{}{}}, nil
}

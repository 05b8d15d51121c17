package sdktest_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ramet-io/ramet/plugins/store-sqlite/sqlite"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

// TestStoreWithoutCapabilities runs the suite on a store that declares nothing
// but its dialect and refuses the rest, as one over a network might.
func TestStoreWithoutCapabilities(t *testing.T) { sdktest.Store(t, poor{sqlite.New()}) }

type poor struct{ sdk.Plugin }

func (p poor) Describe() sdk.Info {
	i := p.Plugin.Describe()
	i.Capabilities = []sdk.Capability{sdk.CapDialectSQLite}
	return i
}

func (p poor) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	r, err := p.Plugin.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	return poorRunning{r}, nil
}

type poorRunning struct{ sdk.Running }

func (r poorRunning) Store() sdk.Store { return poorStore{r.Running.Store()} }

type poorStore struct{ sdk.Store }

func (s poorStore) Open(ctx context.Context, o sdk.OpenOptions) (sdk.DB, error) {
	db, err := s.Store.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	return poorDB{db}, nil
}

type poorDB struct{ sdk.DB }

func (poorDB) Begin(context.Context, uint64, sdk.TxOptions) (sdk.Tx, error) {
	return nil, lacks(sdk.CapInteractiveTx)
}

func (poorDB) Changes(context.Context, sdk.Position) (sdk.Feed, error) {
	return nil, lacks(sdk.CapChangeLog)
}

func (d poorDB) Query(ctx context.Context, q sdk.Query) (sdk.Rows, error) {
	if q.Level != sdk.ReadLocal {
		return nil, lacks(sdk.CapLinearizable)
	}
	return d.DB.Query(ctx, q)
}

func lacks(c sdk.Capability) error {
	return fmt.Errorf("%w: this store lacks %s", sdk.ErrUnsupported, c)
}

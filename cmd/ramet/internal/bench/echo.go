package bench

import (
	"context"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// EchoPlugin is what the boundary is measured with: a store whose one method gives
// back what it got.
type EchoPlugin struct{}

// Describe implements sdk.Plugin.
func (EchoPlugin) Describe() sdk.Info {
	return sdk.Info{Name: "echo", Version: "1.0.0", Stages: []sdk.Stage{sdk.StageStore}}
}

// Open implements sdk.Plugin.
func (EchoPlugin) Open(context.Context, sdk.Env) (sdk.Running, error) {
	return &echoRunning{closed: make(chan struct{})}, nil
}

type echoRunning struct{ closed chan struct{} }

func (r *echoRunning) Ports() sdk.Ports         { return nil }
func (r *echoRunning) Lock() sdk.Lock           { return nil }
func (r *echoRunning) Store() sdk.Store         { return echoStore{} }
func (r *echoRunning) Transport() sdk.Transport { return nil }
func (r *echoRunning) Watcher() sdk.Watcher     { return nil }

func (r *echoRunning) WaitHealth(ctx context.Context, seen uint64) (sdk.Health, error) {
	if seen == 0 {
		return sdk.Health{Number: 1, Condition: sdk.Ready}, nil
	}
	select {
	case <-r.closed:
		return sdk.Health{}, fmt.Errorf("%w: echo", sdk.ErrClosed)
	case <-ctx.Done():
		return sdk.Health{}, ctx.Err()
	}
}

func (r *echoRunning) Close(context.Context) error {
	close(r.closed)
	return nil
}

type echoStore struct{}

func (echoStore) ResourceKey(_ context.Context, o sdk.OpenOptions) (string, error) {
	return o.Path, nil
}
func (echoStore) Open(context.Context, sdk.OpenOptions) (sdk.DB, error) { return echoDB{}, nil }

// echoDB has Prepare and Close only: nothing else is called.
type echoDB struct{ sdk.DB }

func (echoDB) Prepare(_ context.Context, text string) (sdk.Prepared, error) {
	return sdk.Prepared{Reason: text}, nil
}
func (echoDB) Close(context.Context) error { return nil }

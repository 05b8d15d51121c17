package lease_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/ramet-io/ramet/plugins/failover-lease/lease"
	"github.com/ramet-io/ramet/sdk"
)

// The kernel makes these calls; here two instances share one process.
func ExampleNew() {
	dir, err := os.MkdirTemp("", "lease")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	env := sdk.Env{Workspace: sdk.Workspace{StateDir: filepath.Join(dir, ".ramet")}}
	r, err := lease.New().Open(ctx, env)
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close(ctx)

	mine := sdk.Record{Instance: "editor", Incarnation: "0123456789abcdef0123456789abcdef"}
	l, err := r.Lock().Acquire(ctx, sdk.Claim{Record: mine})
	if err != nil {
		log.Fatal(err)
	}
	mine.Epoch = 1
	if err := l.Announce(ctx, mine); err != nil {
		log.Fatal(err)
	}
	_, err = r.Lock().Acquire(ctx, sdk.Claim{Record: sdk.Record{Instance: "cron", Incarnation: "fedcba9876543210fedcba9876543210"}})
	var held *sdk.HeldError
	if errors.As(err, &held) {
		fmt.Println("held by", held.Holder.Instance, "with epoch", held.Holder.Epoch)
	}
	// Output: held by editor with epoch 1
}

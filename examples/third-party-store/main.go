// Command acme-store is a store that is not part of ramet: a module of its own,
// built by itself, put into place by an assembly file. It keeps the data as
// store-sqlite does and adds what that lacks, a journal of its openings.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ramet-io/ramet/plugins/store-sqlite/sqlite"
	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/remote"
)

func main() { remote.Serve(store{sqlite.New()}) }

type store struct{ inner sdk.Plugin }

// Describe says what this plugin is; its options are checked before Open.
func (s store) Describe() sdk.Info {
	info := s.inner.Describe()
	info.Name, info.Version = "acme-store", "2.3.4"
	info.Options = []sdk.Option{{Name: "journal", Type: sdk.OptionString, Required: true,
		Doc: "Name of a file in the state directory that gets a line for each opening."}}
	return info
}

// Open checks the options. It touches no file: a workspace may only be looked at.
func (s store) Open(ctx context.Context, env sdk.Env) (sdk.Running, error) {
	var o struct {
		Journal string `json:"journal"`
	}
	d := json.NewDecoder(bytes.NewReader(env.Options))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil || !filepath.IsLocal(o.Journal) {
		return nil, fmt.Errorf("%w: options of acme-store: journal must name a file (%v)", sdk.ErrInvalid, err)
	}
	env.Options = nil
	r, err := s.inner.Open(ctx, env)
	if err != nil {
		return nil, err
	}
	return running{r, filepath.Join(env.Workspace.StateDir, o.Journal)}, nil
}

type running struct {
	sdk.Running
	journal string
}

func (r running) Store() sdk.Store { return journaled{r.Running.Store(), r.journal} }

type journaled struct {
	sdk.Store
	journal string
}

// Open writes a line and opens the database.
func (j journaled) Open(ctx context.Context, o sdk.OpenOptions) (sdk.DB, error) {
	db, err := j.Store.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(j.journal, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintf(f, "%s opened by process %d\n", time.Now().Format(time.RFC3339), os.Getpid())
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: acme-store: %w", sdk.ErrUnavailable, err), db.Close(ctx))
	}
	return db, nil
}

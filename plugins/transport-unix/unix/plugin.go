// Package unix serves the ports and the transport stage over Unix domain
// sockets, for instances of one user on one machine.
//
// # Who may connect
//
// Sockets lie in a private directory (0700, ours, no symbolic link). On Linux
// and macOS both sides also ask the system who the other is, before a byte is
// read: another user is refused. Windows has no such question for AF_UNIX; there
// the directory's access list is the only guard and [sdk.CapPeerIdentity] is not
// declared.
//
// Bounds, queues and goroutines are those of package stream.
package unix

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
)

// Name is the plugin's name and Scheme the one of its endpoints.
const (
	Name   = "transport-unix"
	Scheme = "unix"
)

// New returns the plugin.
func New() sdk.Plugin { return plugin{stream.DefaultLimits()} }

type plugin struct{ limits stream.Limits }

var _ sdk.Plugin = plugin{}

// Describe implements [sdk.Plugin].
func (plugin) Describe() sdk.Info {
	info := sdk.Info{
		Name:    Name,
		Version: "0.1.0",
		Stages:  []sdk.Stage{sdk.StagePorts, sdk.StageTransport},
		Schemes: []string{Scheme},
		Options: []sdk.Option{{
			Name: "dir",
			Type: sdk.OptionString,
			Doc:  "Absolute path of a directory of ours, 0700, for the sockets; default: the user's runtime directory.",
		}},
	}
	if credentialsKnown {
		info.Capabilities = []sdk.Capability{sdk.CapPeerIdentity}
	}
	return info
}

type options struct {
	Dir string `json:"dir"`
}

func parseOptions(raw []byte) (options, error) {
	var o options
	if len(bytes.TrimSpace(raw)) == 0 {
		return o, nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return o, fmt.Errorf("%w: options of %s: %v; the only key is \"dir\"", sdk.ErrInvalid, Name, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return o, fmt.Errorf("%w: options of %s: text after the JSON object; remove it", sdk.ErrInvalid, Name)
	}
	if o.Dir != "" && !filepath.IsAbs(o.Dir) {
		return o, fmt.Errorf("%w: option dir of %s is %q; use an absolute path", sdk.ErrInvalid, Name, o.Dir)
	}
	return o, nil
}

// Open implements [sdk.Plugin].
func (p plugin) Open(_ context.Context, env sdk.Env) (sdk.Running, error) {
	o, err := parseOptions(env.Options)
	if err != nil {
		return nil, err
	}
	return running{stream.NewHost(Name, env.Log(), p.limits), o}, nil
}

// running is the opened plugin.
type running struct {
	*stream.Host
	opts options
}

var _ sdk.Running = running{}

func (r running) Ports() sdk.Ports         { return ports{r.opts} }
func (r running) Lock() sdk.Lock           { return nil }
func (r running) Store() sdk.Store         { return nil }
func (r running) Transport() sdk.Transport { return transport{r.Host} }
func (r running) Watcher() sdk.Watcher     { return nil }

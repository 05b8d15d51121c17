// Package zmq serves the ports and the transport stage over ZeroMQ, so that programs
// in any language with a ZeroMQ library can call the primary and follow its events:
// they need the workspace's secret and docs/zmq-wire.md.
//
// # What carries it
//
// ZMTP 3 by go-zeromq/zmq4: the server's side is a ROUTER, the clients' a DEALER. Of
// zmq4 only its connections are used, one for each peer, over a socket of ours that
// looks at every byte first (see guard) and never waits (see package stream). Its
// sockets are not used: they block all peers for one, lose messages without a word,
// and leak. So a peer is its connection, whatever ZeroMQ identity it claims.
//
// # Who may connect
//
// Who has the workspace's secret. Both sides prove it, before anything is served or
// believed (see handshake.go). Sockets lie in a private directory (0700, ours, no
// symbolic link) unless the option listen asks for TCP on the loopback interface; there
// each frame is sealed with a key of its session, so that nobody can add, change,
// repeat or leave out one. Frames are not encrypted.
//
// Bounds, queues and goroutines are those of package stream. Of the last events 1,024
// with 4 MiB are kept for subscribers that come back.
package zmq

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

// Name is the plugin's name; the schemes are those of its endpoints. Without "zmq+"
// an endpoint is the address that a ZeroMQ library takes.
const (
	Name      = "transport-zmq"
	SchemeIPC = "zmq+ipc"
	SchemeTCP = "zmq+tcp"
)

// New returns the plugin.
func New() sdk.Plugin { return plugin{defaultLimits()} }

func defaultLimits() stream.Limits {
	l := stream.DefaultLimits()
	l.Resend, l.ResendBytes = 1024, 4<<20
	return l
}

type plugin struct{ limits stream.Limits }

var _ sdk.Plugin = plugin{}

// Describe implements [sdk.Plugin].
func (plugin) Describe() sdk.Info {
	return sdk.Info{
		Name:    Name,
		Version: "0.1.0",
		Stages:  []sdk.Stage{sdk.StagePorts, sdk.StageTransport},
		Schemes: []string{SchemeIPC, SchemeTCP},

		Capabilities: []sdk.Capability{sdk.CapSecret},
		Options: []sdk.Option{
			{Name: "listen", Type: sdk.OptionString, Default: "ipc",
				Doc: `"ipc": sockets in a private directory; "tcp": a port of the loopback interface; "ipc,tcp": both.`},
			{Name: "dir", Type: sdk.OptionString,
				Doc: "Absolute path of a directory of ours, 0700, for the sockets; default: the user's runtime directory."},
		},
	}
}

type options struct {
	Listen string `json:"listen"`
	Dir    string `json:"dir"`
}

func (o options) ipc() bool { return o.Listen != "tcp" }
func (o options) tcp() bool { return o.Listen == "tcp" || o.Listen == "ipc,tcp" }

func parseOptions(raw []byte) (options, error) {
	o := options{Listen: "ipc"}
	if len(bytes.TrimSpace(raw)) > 0 {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			return o, fmt.Errorf("%w: options of %s: %v; the keys are \"listen\" and \"dir\"", sdk.ErrInvalid, Name, err)
		}
		if _, err := d.Token(); !errors.Is(err, io.EOF) {
			return o, fmt.Errorf("%w: options of %s: text after the JSON object; remove it", sdk.ErrInvalid, Name)
		}
	}
	if o.Listen != "ipc" && !o.tcp() {
		return o, fmt.Errorf("%w: option listen of %s is %q; use \"ipc\", \"tcp\" or \"ipc,tcp\"", sdk.ErrInvalid, Name, o.Listen)
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

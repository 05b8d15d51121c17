package remote

import (
	"context"

	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	pb "github.com/ramet-io/ramet/sdk/internal/pb/stage/v1"
)

// protocolVersion is the version of control.proto and frame.proto that this package
// speaks. A change that an older side would misunderstand gets a new one; both sides
// then offer all that they speak, and the highest common one is used.
const protocolVersion = 1

// handshake is how the two sides recognise each other.
var handshake = plugin.HandshakeConfig{
	ProtocolVersion:  protocolVersion,
	MagicCookieKey:   "RAMET_PLUGIN",
	MagicCookieValue: "a5f0c1d2e0b64c1d",
}

// Further environment variables of the handshake; see control.proto.
const (
	envHostPID   = "RAMET_HOST_PID"
	envCarrierFD = "RAMET_CARRIER_FD"
	envTLSCert   = "RAMET_TLS_CERT"
	envTLSKey    = "RAMET_TLS_KEY"
)

// service is the name under which go-plugin dispenses the control service.
const service = "stage"

// pluginSet returns what both sides give go-plugin. served is nil on the host.
func pluginSet(served pb.PluginServer) map[int]plugin.PluginSet {
	return map[int]plugin.PluginSet{protocolVersion: {service: &grpcPlugin{served: served}}}
}

type grpcPlugin struct {
	plugin.NetRPCUnsupportedPlugin
	served pb.PluginServer
}

// GRPCServer implements plugin.GRPCPlugin.
func (p *grpcPlugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterPluginServer(s, p.served)
	return nil
}

// GRPCClient implements plugin.GRPCPlugin.
func (p *grpcPlugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, c *grpc.ClientConn) (any, error) {
	return c, nil
}

// toPB makes a message of the control service from package wire's encoding of v.
// The two are the same bytes, which a test keeps.
func toPB[T any, M proto.Message](m M, v T, app func([]byte, T) []byte) M {
	if err := proto.Unmarshal(app(nil, v), m); err != nil {
		// The generated code refuses what package wire wrote: a bug, and the other side
		// finds an empty message.
		proto.Reset(m)
	}
	return m
}

// fromPB is the way back.
func fromPB[T any](m proto.Message, dec func([]byte) (T, error)) (T, error) {
	b, err := proto.Marshal(m)
	if err != nil {
		var zero T
		return zero, err
	}
	return dec(b)
}

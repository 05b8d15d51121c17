package sdk

import "context"

// Endpoint is an opaque URI such as "unix:///run/user/1000/ramet/ab12/s". Only
// the plugin whose scheme it has looks inside.
type Endpoint string

// Ports derives where a workspace may be served. It binds nothing.
type Ports interface {
	// Candidates returns sets of endpoints in the order in which to try them; a set
	// is bound as a whole. It is deterministic: the same workspace gives the same
	// answer in every process of the same user. TCP ports lie outside the system's
	// ephemeral range. It returns [ErrInvalid] when no place can be used and says why.
	Candidates(ctx context.Context, w Workspace) ([][]Endpoint, error)
}

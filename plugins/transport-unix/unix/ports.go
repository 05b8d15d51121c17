package unix

import (
	"context"

	"github.com/ramet-io/ramet/plugins/internal/sockfile"
	"github.com/ramet-io/ramet/sdk"
)

type ports struct{ opts options }

var _ sdk.Ports = ports{}

// Candidates implements [sdk.Ports]. Processes of one workspace may get different
// answers if their environments differ (one has XDG_RUNTIME_DIR, one has not);
// they still meet, because a secondary dials what the lock record says.
func (p ports) Candidates(_ context.Context, w sdk.Workspace) ([][]sdk.Endpoint, error) {
	places, err := sockfile.Candidates(Scheme, "s", p.opts.Dir, w.Key)
	var sets [][]sdk.Endpoint
	for _, e := range places {
		sets = append(sets, []sdk.Endpoint{e})
	}
	return sets, err
}

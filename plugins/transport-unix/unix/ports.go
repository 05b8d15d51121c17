package unix

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/ramet-io/ramet/sdk"
)

// candidates is how many places a workspace has. More than one, because a
// stopped old primary or a foreign program may sit on the first.
const candidates = 3

type ports struct{ opts options }

var _ sdk.Ports = ports{}

// Candidates implements [sdk.Ports]. Processes of one workspace may get different
// answers if their environments differ (one has XDG_RUNTIME_DIR, one has not);
// they still meet, because a secondary dials what the lock record says.
func (p ports) Candidates(_ context.Context, w sdk.Workspace) ([][]sdk.Endpoint, error) {
	if w.Key == "" {
		return nil, fmt.Errorf("%w: the workspace has no key; fill Workspace.Key", sdk.ErrInvalid)
	}
	root, err := socketRoot(p.opts.Dir)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, fileName(w.Key))
	sets := make([][]sdk.Endpoint, candidates)
	for i := range sets {
		sets[i] = []sdk.Endpoint{endpointOf(filepath.Join(dir, fmt.Sprintf("s%d", i)))}
	}
	return sets, nil
}

// fileName returns key if it is a plain, short file name, else its hash.
func fileName(key string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_'
	}
	if len(key) <= 64 && strings.IndexFunc(key, func(r rune) bool { return !plain(r) }) < 0 {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// endpointOf returns the URI of a socket's path.
func endpointOf(path string) sdk.Endpoint {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // a Windows drive
		path = "/" + path
	}
	return sdk.Endpoint((&url.URL{Scheme: Scheme, Path: path}).String())
}

// pathOf returns the socket's path in an endpoint.
func pathOf(e sdk.Endpoint) (string, error) {
	u, err := url.Parse(string(e))
	if err != nil || u.Scheme != Scheme || u.Host != "" || u.Path == "" {
		return "", fmt.Errorf("%w: endpoint %q is not of the form unix:///path", sdk.ErrInvalid, e)
	}
	path := filepath.FromSlash(u.Path)
	if vol := filepath.VolumeName(strings.TrimPrefix(path, string(filepath.Separator))); vol != "" {
		path = path[1:]
	}
	if !filepath.IsAbs(path) {
		return "", fmt.Errorf("%w: endpoint %q has no absolute path", sdk.ErrInvalid, e)
	}
	return filepath.Clean(path), nil
}

package sockfile

import (
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

// Candidates returns where the sockets of the workspace with this key may be, best
// first: files named prefix and a number. It makes nothing. dir, if not empty, is the
// directory to use instead of the user's own. [sdk.ErrInvalid] says why no place can
// be used.
func Candidates(scheme, prefix, dir, key string) ([]sdk.Endpoint, error) {
	if key == "" {
		return nil, fmt.Errorf("%w: the workspace has no key; fill Workspace.Key", sdk.ErrInvalid)
	}
	root, err := socketRoot(dir)
	if err != nil {
		return nil, err
	}
	list := make([]sdk.Endpoint, candidates)
	for i := range list {
		list[i] = Endpoint(scheme, filepath.Join(root, fileName(key), fmt.Sprint(prefix, i)))
	}
	return list, nil
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

// Endpoint returns the URI of a socket's path.
func Endpoint(scheme, path string) sdk.Endpoint {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // a Windows drive
		path = "/" + path
	}
	return sdk.Endpoint((&url.URL{Scheme: scheme, Path: path}).String())
}

// Path returns the socket's path in an endpoint of this scheme, or [sdk.ErrInvalid].
func Path(scheme string, e sdk.Endpoint) (string, error) {
	u, err := url.Parse(string(e))
	if err != nil || u.Scheme != scheme || u.Host != "" || u.Path == "" {
		return "", fmt.Errorf("%w: endpoint %q is not of the form %s:///path", sdk.ErrInvalid, e, scheme)
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

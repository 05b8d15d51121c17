//go:build unix

package kernel

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/sdk"
)

func TestSecretThatOthersMayKnowIsReplaced(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"readable": func(path string) error { return os.Chmod(path, 0o640) },
		"short":    func(path string) error { return os.Truncate(path, 31) },
		"long":     func(path string) error { return os.Truncate(path, 33) },
		"link": func(path string) error {
			return errors.Join(os.Rename(path, path+"x"), os.Symlink(path+"x", path))
		},
	} {
		dir := t.TempDir()
		old, err := makeSecret(dir, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		if err := spoil(filepath.Join(dir, secretName)); err != nil {
			t.Fatal(err)
		}
		if _, err := readSecret(dir); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%s: read: %v", name, err)
		}
		fresh, err := makeSecret(dir, hclog.NewNullLogger())
		if err != nil || bytes.Equal(fresh, old) {
			t.Errorf("%s: made %x after %x, %v", name, fresh, old, err)
		}
		if again, err := readSecret(dir); err != nil || !bytes.Equal(again, fresh) {
			t.Errorf("%s: read %x, %v; want %x", name, again, err, fresh)
		}
	}
}

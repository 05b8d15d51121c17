package bundled_test

import (
	"testing"

	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/sdk"
)

func TestEachStageIsServedOnce(t *testing.T) {
	served := map[sdk.Stage]string{}
	for _, p := range bundled.All() {
		info := p.Describe()
		for _, s := range info.Stages {
			if other := served[s]; other != "" {
				t.Errorf("stage %s is served by %s and %s", s, other, info.Name)
			}
			served[s] = info.Name
		}
	}
	for _, s := range sdk.Stages() {
		if served[s] == "" {
			t.Errorf("stage %s is served by no bundled plugin", s)
		}
	}
}

package wire

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	protoMessage = regexp.MustCompile(`(?ms)^message (\w+) \{\n(.*?)^\}`)
	protoField   = regexp.MustCompile(`(?m)^ +(?:repeated )?\w+ (\w+) = (\d+)\b`)
	goDecoder    = regexp.MustCompile(`(?ms)(?:reader\{|r\.)what(?::| =) "(\w+)"(.*?)^\}`)
	goField      = regexp.MustCompile(`case (\d+):\n\t+(?:[ve]\.(\w+) = |.*&[ve]\.(\w+)|(rows)\.row)`)
)

// TestProtoFileSaysWhatTheDecodersRead compares field numbers and names of
// values.proto with the assignments in this package's source.
func TestProtoFileSaysWhatTheDecodersRead(t *testing.T) {
	proto, err := os.ReadFile("../proto/stage/v1/values.proto")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]string{} // message -> number -> name
	for _, m := range protoMessage.FindAllStringSubmatch(string(proto), -1) {
		want[m[1]] = map[string]string{}
		for _, f := range protoField.FindAllStringSubmatch(m[2], -1) {
			want[m[1]][f[2]] = strings.ReplaceAll(f[1], "_", "")
		}
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range goDecoder.FindAllStringSubmatch(string(source), -1) {
			compared += compareFields(t, d[1], want[d[1]], goField.FindAllStringSubmatch(d[2], -1))
		}
	}
	if compared < 130 {
		t.Errorf("compared %d fields only: the expressions no longer fit the source", compared)
	}
}

// compareFields reports differences and returns how many fields it compared. Value,
// Time and Error assign in other ways; those have tests of their own.
func compareFields(t *testing.T, message string, want map[string]string, got [][]string) int {
	if want == nil {
		t.Errorf("message %s is not in values.proto", message)
		return 0
	}
	if message == "Value" || message == "Time" || message == "Error" || len(got) == 0 {
		return 0
	}
	for _, f := range got {
		if name := strings.ToLower(f[2] + f[3] + f[4]); want[f[1]] != name {
			t.Errorf("%s: field %s is %q here and %q in values.proto", message, f[1], name, want[f[1]])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d fields here, %d in values.proto", message, len(got), len(want))
	}
	return len(got)
}

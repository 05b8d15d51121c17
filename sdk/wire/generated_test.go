package wire

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/ramet-io/ramet/sdk/internal/pb/stage/v1" // registers the messages
)

// TestGeneratedCodeReadsEveryMessage reads what this package writes with the code
// that was generated from the protocol files, and knows every field of it; and this
// package reads what that code writes again.
func TestGeneratedCodeReadsEveryMessage(t *testing.T) {
	rnd := newRand(t)
	for _, c := range codecs() {
		t.Run(c.name, func(t *testing.T) {
			typ, err := protoregistry.GlobalTypes.FindMessageByName(protoreflect.FullName("ramet.stage.v1." + c.name))
			if err != nil {
				t.Fatal(err)
			}
			read := 0
			for range 100 {
				_, _, b, err := c.random(rnd)
				if err != nil {
					t.Fatal(err)
				}
				m := typ.New().Interface()
				if err := proto.Unmarshal(b, m); err != nil {
					continue // a text that is not UTF-8 where ramet chooses it
				}
				read++
				if unknown := unknownFields(m.ProtoReflect()); unknown != "" {
					t.Fatalf("%s has a field that the protocol file does not", unknown)
				}
				again, err := proto.Marshal(m)
				if err != nil {
					t.Fatal(err)
				}
				if _, _, err := c.decode(again); err != nil {
					t.Fatalf("what the generated code wrote: %v", err)
				}
			}
			if read == 0 {
				t.Error("none of 100 messages could be read")
			}
		})
	}
}

// unknownFields returns the name of a message in m with fields nobody knows.
func unknownFields(m protoreflect.Message) (name string) {
	if len(m.GetUnknown()) > 0 {
		return string(m.Descriptor().Name())
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				if name = unknownFields(v.List().Get(i).Message()); name != "" {
					return false
				}
			}
		default:
			name = unknownFields(v.Message())
		}
		return name == ""
	})
	return name
}

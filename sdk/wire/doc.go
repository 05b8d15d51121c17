// Package wire is the one encoding of every value of package sdk that leaves a
// process: protobuf wire format, written by hand with protowire. There is no
// reflection and no generated code, so an embedder does not pay for the protobuf
// runtime. The field numbers are those of sdk/proto/stage/v1/values.proto, which
// is the contract for other languages; a test keeps the two the same.
//
// Each value X has a pair: AppendX appends the encoding of a value to b and
// returns the longer slice, DecodeX reads one value that fills all of b. Neither
// keeps b. Nothing here blocks, has state or needs a context; everything is safe for
// concurrent use.
//
// # What is kept
//
// Numbers, texts and bytes are exact, whether or not a text is valid UTF-8. A
// driver.Value keeps its type, the payload of a NaN and the difference between
// nil, a nil []byte and an empty one; a time keeps its nanoseconds and the offset
// and name of its zone. Elsewhere an empty slice comes back as nil. An error keeps
// its text, its typed errors, and what errors.Is finds in it: see [AppendError].
//
// # Hostile input
//
// Every decoder returns [sdk.ErrInvalid] for bytes it cannot read; none panics. A
// field it does not know is skipped, so a message may grow. Memory grows with the
// input, not with numbers found in it: a list of structures holds at most [MaxList].
package wire

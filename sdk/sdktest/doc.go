// Package sdktest holds the public conformance suites of the stage contracts, one
// function per stage. They are for authors of plugins: a plugin is right when its
// suite passes, and the bundled plugins pass the same ones.
//
// A suite takes an [sdk.Plugin] and nothing else, so it sees what the kernel
// sees: Describe, Open, the stages, and what those return. It works on real
// files and sockets in temporary directories and cannot tell a plugin that is
// linked in from one that is a program of its own. Run it on both:
//
//	func TestStore(t *testing.T) {
//		sdktest.Store(t, mystore.New())
//	}
//
//	func TestStoreLoopback(t *testing.T) {
//		sdktest.Store(t, sdktest.Loopback(mystore.New()))
//	}
//
// # Rules
//
// Nothing is skipped. Where a contract makes something optional the suite looks
// at the capabilities in [sdk.Info]: declared, it must work; not declared, it must
// be refused with [sdk.ErrUnsupported]. A suite never asserts how long something
// takes, only that it ends before a generous deadline and in which order things
// happen. Whatever is random prints its seed.
//
// The name of a subtest is the sentence of the contract it checks: go test -run
// 'TestStore/apply/replay' runs one of them.
//
// [Crashable] makes a plugin that can be killed at any moment, for tests of what
// happens around one.
//
// [NoLeaks] is the check that a test leaves no goroutine behind; suites use it, and
// so may you.
package sdktest

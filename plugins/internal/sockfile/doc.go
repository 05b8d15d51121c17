// Package sockfile binds Unix domain sockets as files in a private directory, for
// the transports that use them.
//
// A directory is private when it is 0700, ours and no symbolic link, so nobody else
// can put a socket of theirs there. A path may be longer than a socket address. The
// leftover of a dead server is replaced in one step; a living one is
// [sdk.HeldError], and so is any other program that listens there.
package sockfile

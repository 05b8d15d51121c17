// Package remote is the process boundary: a plugin as a program of its own. An
// author calls [Serve] in main; a host calls [Launch] and gets a plain
// [sdk.Plugin], which it cannot tell from one that is linked in.
//
// # Two connections
//
// Control goes through hashicorp/go-plugin (gRPC): the handshake, Describe, Open,
// Health, Drain. Everything the stages do goes as frames (frame.proto) in both
// directions over one carrier: a socketpair that the process inherits, or a gRPC
// stream where there is none. The host offers both, the plugin picks. The protocol
// files are in sdk/proto/stage/v1; an author in another language starts there.
//
// # When a plugin dies
//
// The end of the carrier shows a death at once. Every call that is open or made
// afterwards fails, and says what is known: certainly not executed
// ([sdk.ErrUnavailable]), or [sdk.ErrOutcomeUnknown] for what writes and may have
// left; a transaction is [sdk.ErrTxLost], and what was to be released is released by
// the death. Health is [sdk.Failed] with the reason: exit status and last lines, or
// the panic with its stage and operation.
//
// A plugin whose process stands still is found by the missing answer to a ping and
// killed within a second; one that is kept so busy that it answers late, within some
// six. A method that never returns in a process that goes on answering is not found:
// its callers have their deadlines. A plugin that does not close, or does not give
// back what it holds in the time it has, is killed too.
//
// When a call's context ends the plugin is told, and what it answers then counts: it
// knows whether it had committed. A commit is waited for to its end; anything else
// for a second.
//
// # When the host dies
//
// The plugin exits: at the end of the carrier, by the system's death signal
// (Linux; it reaches a stopped process too), or because its parent changed. It
// holds no descriptor of the host besides its carrier and its log, and leaves no
// socket: the control socket's directory is removed as soon as both are connected.
//
// # Concurrency
//
// Everything here is as safe for concurrent use as package sdk asks of a plugin.
// Calls do not wait for each other; a slow one holds up nobody.
package remote

// Package demo runs a workspace with real processes, kills and stops its primary
// again and again, and then checks every row against what was acknowledged.
//
// The director ([Run]) starts the running program again as nodes ([RunNode]). A
// node writes, follows the change feed and tells the director by JSON lines on its
// standard output what happened; the director tells it by words on its standard
// input what to do. A line is written at once after each acknowledgement, so when a
// node is killed the director may know less than was acknowledged, never more.
//
// Every logical write has a key (node, number) and the table has no unique index
// over it, so a write applied twice would show as two rows. A node repeats a write
// under its key only when it was told that it was not applied.
package demo

// Package ramet only holds the tests of the module's layers. Start with package
// kernel, or README.md.
package ramet

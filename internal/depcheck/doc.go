// Package depcheck keeps the module's import table: which package may import which, and which dependencies
// nobody reaches by accident. A user pays for every import of ours with download, build time, binary size
// and raised versions, so the table is a test. It is data in table.go; change it there, with a reason.
//
// Three things are checked, over one run of go list:
//
//   - what a package imports directly must be allowed by its row and by the row of the dependency;
//   - what a package's build reaches by any way must not include what its row forbids;
//   - what the tests of a package reach beyond its build must not be heavy, because the go mod tidy of a
//     user loads those tests too. Heavy tests live in internal/it.
//
// Packages with a go.mod of their own are not part of the module and are not checked.
package depcheck

// Package docs types the examples of wsgid's own documents, as they stand but
// for Python 3, with the real programs, mongrel2 and Django. It holds tests only.
//
// Each test runs as root and as an ordinary user: where the suite is root, the
// test binary is run once more as nobody. The programs are built once, into a
// folder that everybody can read. A document's path below /var is taken to be
// below a folder of the test's own, and so is the state directory.
package docs

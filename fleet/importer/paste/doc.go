// Package paste reads files of PasteDeploy, as Pyramid has them for pserve: which
// application they make, and which server serves it. The application's own settings stay in
// the file, which a worker reads.
package paste

// Package source brings one commit of a git repository into one new folder: a
// release.
//
// # Three steps
//
//	Check    is the URL one that can be used? Asks nobody.
//	Fetch    which commit is meant, and its objects, into a bare repository that
//	         is kept between deploys (Store).
//	Unpack   the commit's files, into a folder that must not be there yet.
//
// Remove takes away what an Unpack that failed has left. Nothing else is written
// anywhere.
//
// # Who does what
//
// Git reads what strangers wrote, so it runs as an account, never as root, without
// a terminal, hooks, configuration, or any transport but that of the URL
// (git.go). The bare repository is the account's own folder: this process looks
// at it and changes nothing in it.
//
// The release is written by this process, not by git. Git is asked only for objects
// (cat-file; an older one for names by ls-tree, too), which know neither attributes nor
// filters: a checkout or git archive would leave out files and run programs where a
// repository says so. One git tells the commit, the trees and the files: each that is
// started keeps what serves waiting for some milliseconds (objects.go, walk.go). The names are judged before the first is used (tree.go,
// symlink.go: pure), the files made below an os.Root, each new, and symbolic links
// last, so that nothing is written through one. Until all is there the folder is
// closed to everybody else, the account too; then it is given to the account.
//
// # Which commit
//
// The head of a branch, a tag (of a tag of a tag) or an object id is asked for by
// its name first: one connection, one commit deep. Only if the server does not
// have it, or does not give ids out (protocol 0, as over ssh to a server that does
// not take GIT_PROTOCOL), the branch is fetched further and further back
// (resolve.go decides, fetch.go asks). With an id, whether it is on the branch is
// not looked at: that would need all of the history.
//
// A submodule is fetched by the same rules, only where the spec says so; else its
// folder is empty, as git leaves it, and it is named in Unpacked. What Git LFS
// keeps elsewhere is an error that says so, or fetched and proved by its hash.
//
// # Bounds
//
// Number of files, bytes and time are bounded (Limits). A fetch that grows beyond
// the bytes is stopped while it runs; a tree is refused at the first name that is
// one too many, before anything is written.
package source

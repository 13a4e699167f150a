// Package static answers requests for files of an app's static blocks without its
// workers.
//
// # Decided apart from done
//
// decide makes the answer (status, header lines, which bytes) of the request and of
// what is known of the file. It opens nothing, and is where RFC 9110 stands:
// conditions, ranges, forms. Names are judged in served: no part that begins with a
// dot, whatever the spelling. What is not there is no error: it is the app's to
// answer.
//
// # Whose files they are
//
// The master may be root, the files are the app's. So they are opened as the app's
// user, on goroutines of a Crew whose threads have that user's rights for files, and
// below the folder's descriptor, out of which no link leads (openat2, or an os.Root
// on an old kernel). Nothing but a regular file is read. The way to the folder
// itself the operator has named, and the app's user walks it.
//
// # Nothing waits for a disk on the loop
//
// Site.Try takes what the kernel has at hand (openat2 with RESOLVE_CACHED, preadv2
// with RWF_NOWAIT) and believes it only if it is the file that the Crew has opened
// as the app's user a second ago or less; else Site.Look asks the Crew, and the loop
// goes on meanwhile. On file systems that may ask somebody else, such as NFS or
// FUSE, it is the Crew alone. Large files are sent by sendfile, a piece at a time:
// Resident tells how much of it will not wait, Warm reads what would.
//
// # Which release
//
// A Site is of one spec: its folders are those of the release that the workers run.
// Pages of the release before are still open in browsers, so a name that carries a
// hash and is no more is looked for there as well.
package static

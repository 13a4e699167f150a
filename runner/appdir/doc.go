// Package appdir knows the app folder: wsgid's own layout on disk, who owns
// it, and how to put it right.
//
// # Layout
//
//	app/          the application's code, on sys.path
//	plugins/      loaders and filters
//	logs/         wsgid.log
//	pid/master/   <pid>.pid of each live master
//	pid/worker/   <pid>.pid of each live worker
//	wsgid.json    the spec in wsgid's own option names
//	django.json   what overrides the Django settings
//
// # Repair is also the plan
//
// Repair walks the layout once and mends what is wrong, over any afero.Fs that
// is rooted at the app folder. Check is the same walk over a copy-on-write
// view of a read-only file system, so what a plan lists is what a repair does.
// Neither ever looks into app/, plugins/ or logs/.
//
// # A folder that belongs to somebody else
//
// The daemon may be root, and the app folder belongs to the app's user, who
// may plant symbolic links, hard links, FIFOs and devices in it. Open returns
// a RootFs, which resolves every name below an os.Root, never follows a link in
// the last place, and changes owner or mode only through a descriptor that
// fstat has shown to be a folder, or a regular file with a single name. Files
// that differ are not changed but replaced by rename, so that another name of
// theirs keeps what it had. The folder itself is reached by a walk that follows
// a symbolic link only if root or the daemon's own user made it, or if it leads
// to a folder of the link's own owner.
//
// A folder of somebody else's that is not empty and holds no app/ is never
// taken over: a mistyped path must not give /etc to an app's user.
//
// # Files written by hand
//
// The fleet's wsgid.json says under "fleet" that it is the fleet's, and holds
// the digest of the django.json that came with it. What was there before, and
// was written by a person, is kept once as *.before-fleet. A django.json of
// which the spec says nothing is left alone; one that the fleet wrote is
// removed when the spec has no overrides any more.
//
// # Modes
//
// Folders are made 0755, logs/ 0750, pid files 0644, wsgid.json and django.json
// 0640 (they hold secrets); all belong to the app's user, but for the app folder
// itself, app/ and plugins/ where a third user has them who deploys the code:
// what belongs to neither root nor nobody stays its owner's, unless own_code says
// otherwise. An app folder that is a checkout, whose code is the folder itself, stays
// whosever it is, gets no app/, and of it only what the program writes is the app's
// user's. A folder whose owner
// lacks a right, or that anybody may write to, gets that mode back; a stricter
// mode that an administrator chose stays.
//
// # Size
//
// It has more than 4,000 lines: whatever opens a file of an app is here, so that the list
// of what root may open (SECURITY.md) is held by one package.
package appdir

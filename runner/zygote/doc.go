// Package zygote keeps, for the daemon, Python processes that have no application
// loaded and that masters and their workers are forked from, so that the workers of a
// fleet share the memory of the interpreter, and start in the time of a fork.
//
// It is used where the daemon has WSGID_ZYGOTE=auto or on in its environment.
//
// There is one for each interpreter, user, locale and Python host. With auto it is begun
// where the fleet has Least apps that it can serve, as for fewer it costs more than it
// saves; with on, for the first. What keeps an app from it is in stem.Forkable. Where
// anything goes wrong, or takes longer than a moment, a master is started as if there were
// none, and a worker too; what it was is told in the status of the app.
//
// The zygote, zygote.py of the Python host, is a child of the daemon and runs as the
// daemon does. It is root's where that is, so it runs nothing but an interpreter that
// root alone can change, our host, and of site-packages what is said below. For a master
// it forks a process by CLONE_PARENT, so that the daemon is its parent. That one forks
// the stem, which becomes the app's user, and the first worker, which does too and waits
// until the master says what it is, and executes the master. A stem, and the workers
// that it forks, need the zygote no more. It ends with its socket.
//
// Where pages are dear to fork, as in many virtual machines, what a process writes to after
// a fork is most of what the fork costs. So all that can be done before is, a child maps
// the program's pages in one call and not in a fault each, and the stem of an app that is
// scaled down to no worker forks the next one at once: who wakes the app waits for none.
//
// # What is set after the fork
//
// The environment, with os.environ and time.tzset(); working directory, umask, resource
// limits, nice value, process group, death signal, no_new_privs; sys.argv, sys.orig_argv;
// the name of the process; the descriptors, by the same numbers.
//
// What site does at Python's start (.pth files, sitecustomize, whatever these import) is
// most of what a worker would have for itself. So the zygote does it (sites.py), if a
// process that may do nothing has tried it, and: each file that is run can be changed by
// root alone, and read by all; it prints nothing, starts no threads, opens no files,
// handles no signals; and of the environment it asks for single names, of which a worker
// must have the same, or it is started by itself. So is one whose user has site-packages
// of its own. Where that does not hold, each worker does it, as the site-packages of
// the user then.
//
// # What keeps a worker from being forked
//
// A virtualenv, chroot, workers.preload (which has a template of its own); another
// interpreter; another locale (LANG, LANGUAGE, LC_*); any variable named PYTHON*, LD_*,
// MALLOC_*, GLIBC_* and the like, which are read before a worker could say anything;
// a file of the interpreter or its library that has changed since; a folder on the way to
// interpreter or host that keeps the app's user out. Where what an interpreter loads at
// its start is so much that its names take more than a message, there is no zygote, and
// the daemon's log says so, as does the status.
//
// # What differs
//
// The hash seed and the layout of memory are those of all workers of the same zygote,
// which are of one user. /proc/PID/environ and cmdline are the zygote's. The modules of
// the standard library that the host uses are in sys.modules a little earlier, the
// garbage collector's permanent generation is not empty, and subinterpreters of an
// extension run no site.
package zygote

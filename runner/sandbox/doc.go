// Package sandbox is what keeps an app's processes apart from the rest of the
// machine: whom they run as, the root that chroot = true gives them, the namespaces
// that workers live in, and their limits. It also lays out the Python host, which all
// apps read and none may write.
//
// A Chroot is put together by the master before it serves, and entered by it; the
// workers' Namespaces are entered by the thread that starts them. What a path leads to
// is opened once, judged, and used by its descriptor from then on.
package sandbox

// Package reconcile carries out plans. A Reconciler works on names: one thing at a time
// for each, several names at a time, and what waits gives its slot to others. An Applier
// does the actions of one plan and stops at the first error; each can be done twice
// without harm. A Supervisor follows each master by its pidfd, a Watcher the spec
// directory and what it depends on; both only hint, and the truth is read anew.
//
// Masters are behind Machine and Handle, app folders behind Folders, so that what happens
// to a thousand apps can be tested without any. What an app should be, and where that is
// written down, is known to package fleet, which calls in here.
package reconcile

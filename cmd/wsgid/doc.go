// Command wsgid is wsgid 0.7's command line over the fleet's runner: it makes
// an app folder, keeps its options in wsgid.json, and starts, stops, restarts
// and shows the app of one folder by hand. See helpText for what its users read.
//
// An instance is one master. Its name in the state directory is made of the
// folder's own name, a digest of its path and a number: "blog@1f2e3d4c-1". The
// "@" keeps it apart from the fleet's apps, whose names cannot hold one, so that
// the fleet never takes an instance for an app that left its specs.
package main

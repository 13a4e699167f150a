// Package deploy brings an app's code into its folder, release by release, and
// keeps the book of it.
//
// # The way of a deploy
//
// A deploy goes through stages in their order (stage.go). What comes before the
// rollout touches nothing that serves: the code is fetched into a repository
// beside the app, unpacked into a release folder of its own, its virtualenv is
// made or found, the database is made, and the stages of the spec that say
// "before" run in the new release. The rollout itself is not this package's: the
// record of the release becomes a part of what should run, and package fleet
// brings the app to it as it does with every other change. Only then is the link
// app switched, for people and for programs that are started by hand.
//
//	APP/repository           what was fetched
//	APP/releases/ID          one release: the tree of a commit
//	APP/venvs/HASH           virtualenvs, by what went into them
//	APP/shared               what outlives releases
//	APP/app -> releases/ID   the release that serves
//	DATA/deploys/NAME/lock          flock of the deploy under way, who holds it inside
//	                 /release.json  the release that should serve, and the one before
//	                 /database.json the passwords of the database roles that were made
//	                 /ID.json       the logbook, one entry a deploy
//
// Programs run as the app's user and never as root. What root writes below APP itself,
// the tree of a release, goes through an os.Root that was proved to be the folder.
//
// # Killed at any moment
//
// An entry of the logbook is written before each stage. Settle reads what an
// interrupted deploy has left and says what is to become of it: before the
// rollout it is given up, and its folder goes with the next prune; from then on the release that
// should serve is in release.json, and whoever runs the fleet next finishes it or
// goes back.
package deploy

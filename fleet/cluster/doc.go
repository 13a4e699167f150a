// Package cluster is what makes one fleet of many machines: which hosts there are,
// which of them runs an app, and where the texts of the specs come from. It is
// arithmetic over facts; package etcd beside it fetches them, package fleet acts.
//
// # The texts
//
// A Source gives all texts of one generation, and a hint that there may be another.
// A Directory is one, etcd the other. A daemon that follows etcd keeps the last
// generation on its own disk (Mirror) and reads it from there as it reads any spec
// directory, so that a reboot without etcd starts what ran.
//
// # Which host runs an app
//
// Place is a pure function of the apps and of the hosts: each host computes the same
// and runs its own part. Nobody schedules. Which hosts count is damped (Members): a
// new one counts when it has stayed for a while, one that vanished is waited for, and
// where more than half of a region vanishes at once nothing moves: it is likelier that
// etcd or the network is at fault than so many machines.
//
// An app that another host is to run leaves this one when the other serves it
// (Hosting), so that a change of membership costs memory and no answers.
//
// # A deploy on all hosts
//
// A Deployment is an order and how far each host has come with it; what a host may do
// next follows from that alone (Turn). Nobody conducts.
//
// # What is not known changes nothing
//
// Texts, members and endpoints that cannot be read, or are not there at all, leave
// everything as it is. No one may be cut off by that: a host that is parted from the
// others serves on, and so an app may run on more hosts than it asks for. Only what
// must happen once (see package etcd, Once) is at most once.
//
// # What is promised, and the tests that show it
//
// With etcd away, slow or empty nothing is stopped, moved or started but for repairs,
// also over a reboot: TestNothingMovesWithoutEtcd, TestAnEmptyAnswerRemovesNothing,
// TestAFullDatabaseMovesNothing, TestHostsGoOnWhileMembersDie, TestTwoMachines.
//
// An app has as many hosts as it asks for while its region has them, and gets others
// soon after one dies: TestHostsShareTheApps, TestALeaseStartsAnewWithEachLeader,
// TestADyingHostMovesLittleMoreThanItsApps, TestTheClusterExample.
//
// It leaves a host only when another one serves it: TestAnAppLeavesWhenTheOtherServesIt,
// TestACordonedHostGivesItsAppsAway, TestClusterStorm.
//
// More hosts than it asks for may run it for a while, and what must happen once is at
// most once: TestOnceIsAtMostOnce, TestDeployOnManyHosts.
//
// A host that wakes reads anew before it acts, and two of one name are told apart:
// TestAWatchBehindACompactionIsTakenUp, TestAWatchThatIsBehindTheListTellsNothingOld,
// TestTwoHostsOfOneName, TestClusterStorm.
//
// Placement is the same on every host, whatever their clocks say, and stands still when
// more than half of a region vanishes: TestPlacementIsTheSameOnEveryHost,
// TestClocksAnHourOffDecideTheSame, TestHostsWithClocksAnHourOff,
// TestPlacementFreezesWhenMoreThanHalfOfARegionVanishes.
//
// A push is whole or not there, and of two one is told: TestAPushOfManyFilesIsOneSwitch,
// TestBoundsOfATransaction, TestOfTwoPushersOneIsTold.
package cluster

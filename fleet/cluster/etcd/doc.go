// Package etcd holds the specs and the hosts of a fleet of many machines in etcd:
//
//	PREFIX/meta/generation     which stage counts, and what must be in it (Meta)
//	      /meta/thaw           a number that an operator raises
//	      /specs/STAGE/FILE    the texts, as a directory holds them
//	      /hosts/ID            a machine, under its lease
//	      /down/ID             an operator has cordoned it; no lease
//	      /endpoints/APP/ID    an app on a host, under the lease of the host
//	      /once/APP@ORDER/STAGE  what must be done once, and by whom; no lease; until the next order
//	      /secrets/APP/NAME    what all hosts of an app must know, sealed (Agree); no lease
//	      /deploys/APP/order   the last deploy of an app that was ordered
//	      /deploys/APP/ORDER/  hosts/ID: how far a host has come with it; stop
//	      /gone/APP            since when no spec names an app that was deployed
//
// # A push is one switch
//
// A transaction of etcd is bounded in operations and in size, so a push writes the
// texts beside the current ones, the last of them along with the switch of
// meta/generation, in one transaction that compares it with what the push began from: of
// two at a time one is told. Readers check that what they read is whole. A generation that
// is not there, or not whole, is unreadable and never an empty fleet. What a small edit
// changes is in meta/generation too: hosts that follow need not ask for it.
//
// # Membership
//
// A Member holds hosts/ID under a lease and takes it again whenever it is lost: a lease
// is a minimum, as each new leader of etcd gives all of them their whole time again.
// A machine that finds another one under its name keeps what it runs and joins nothing.
//
// # Deploys
//
// An order names the hosts of an app in their turn. Each one looks for orders that it has
// no part in yet, and carries its own out; where it must wait for others it asks etcd
// itself (cluster.Deployment.Turn says for whom). What a host writes of itself counts only
// while its order is the last: one that wakes after a pause does not go on with a deploy
// that another has followed. A host that got the app later brings itself to what the last
// order has deployed. Where an app was given another name, any host that knows of it moves the
// order, and what the hosts have agreed upon, to that one. Of an app that no spec names for a
// month the order is forgotten, so that a later one of its name begins with nothing; what the
// hosts have agreed upon stays, as the database does whose password that is.
//
// # Hints and lists
//
// A watch is a hint: it ends at a compaction, or where it is forbidden, and events
// around a compaction have been lost by releases that are in use. So everything is
// listed anew each minute, and before anything is done that moves an app.
package etcd

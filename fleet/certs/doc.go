// Package certs gets the certificates of the names that the gate serves from an ACME
// authority, before they are needed, and renews them in time.
//
// # The way of a certificate
//
//  1. The fleet tells the Keeper which names of which apps want one (Want), each time
//     that it reads the specs.
//  2. What is to be done for a name, and when, is decided by due, which is pure: get a
//     first one, renew, ask the authority when it wants to be asked (ARI), wait.
//  3. Before a first order Reach asks for the name from here, as the authority will: a
//     name that leads elsewhere costs none of the few failures that an authority allows.
//  4. certmagic makes the order: account, nonces, challenges, locks. Its storage is a
//     folder of the data directory, by an absolute path. It never answers a challenge
//     itself: what it would store for others that do goes to Challenges, the gate.
//  5. What came is looked at as a client would look at it. Only a certificate that is
//     of this name, of this key and valid now takes the place of the one that serves.
//
// # On disk
//
// All of it lies in one folder, which only the user of the daemon may enter:
//
//	sites/NAME.pem    key and chain in one file, so that both change in one rename
//	sites/NAME.json   what was tried, why it failed, when it is tried again
//	acme/…            certmagic's own: accounts, what was issued, locks
//
// Masters read sites/NAME.pem by themselves when it changes. Look tells of a name what
// is on disk, without a Keeper: commands without a daemon say the same as the daemon.
//
// # Failure
//
// An authority that is gone, refuses, hangs or answers rubbish takes nothing away: what
// serves stays until something better is there, for however long. Times of the next try
// outlive the daemon, so that one which is restarted often asks no more often.
//
// Nothing of certmagic is made before the first name wants a certificate.
package certs

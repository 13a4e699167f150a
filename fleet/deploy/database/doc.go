// Package database makes an app's database where it is not there, and says how the app
// reaches it: the DATABASE_URL of its environment and the entry of Django's DATABASES.
//
// # What is made
//
// Of sqlite an empty file below shared/ of the app folder. Of PostgreSQL a role and a
// database that the role owns, by the server's administrator. What is there is never
// altered nor dropped; what is somebody else's is an error that says whose it is. The
// password is random and is kept before the server hears of it, and the server hears
// only what it can verify it by (scram.go). At the end somebody logs in as the app
// will: a deploy ends here, and not in a worker, where the server does not let it in.
//
// # Why a driver, and in this process
//
// The server on this machine lets its administrator in by asking the kernel who is at
// the other end of its socket (peer authentication): the user postgres. psql as that
// user would do, but must be installed, also where the server is elsewhere; its errors
// are texts in the language of the machine, and a password reaches it by a file or an
// environment. pgconn, the lower half of pgx, brings SQLSTATEs, deadlines and SCRAM,
// and no process: what the kernel asks for is the effective user of the thread that
// connects, so one thread takes the user postgres for that call (dial.go). In the
// other direction the kernel says whom the server runs as, and to a stranger nothing
// is told. Only wsgid-fleet links it.
//
// # One URL, many readers
//
// libpq, pgx and dj-database-url differ on a raw @, +, #, ? and on sockets named
// in the place of the host. They agree where every byte but letters, digits and
// -._~ is percent-encoded, where a socket's folder goes by ?host=, and where a
// file of sqlite is an absolute path (a relative one is a host to some, and no
// path at all is a database in memory). So a URL is written that way only.
package database

// Package database says how an app reaches its database: the DATABASE_URL of its
// environment and the entry of Django's DATABASES.
//
// # One URL, many readers
//
// libpq, pgx and dj-database-url differ on a raw @, +, #, ? and on sockets named
// in the place of the host. They agree where every byte but letters, digits and
// -._~ is percent-encoded, where a socket's folder goes by ?host=, and where a
// file of sqlite is an absolute path (a relative one is a host to some, and no
// path at all is a database in memory). So a URL is written that way only.
package database

package database

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// SQLSTATEs, by the names of PostgreSQL's appendix A.
const (
	notAuthorized         = "28000" // invalid_authorization_specification
	wrongPassword         = "28P01" // invalid_password
	noDatabase            = "3D000" // invalid_catalog_name
	insufficientPrivilege = "42501"
	duplicateObject       = "42710"
	duplicateDatabase     = "42P04"
	uniqueViolation       = "23505"
	readOnly              = "25006" // read_only_sql_transaction
	invalidParameter      = "22023" // invalid_parameter_value
	tooManyConnections    = "53300"
	cannotConnectNow      = "57P03"
	protocolViolation     = "08P01"
)

// codeOf is the SQLSTATE of an error of the server, or empty.
func codeOf(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// ofPooler is the code that a server would have given where a pooler, PgBouncer 1.18, gives
// that of a client that speaks another protocol (findings/pgbouncer-calls-a-wrong-password-a-broken-protocol.sh);
// empty where it is none.
func ofPooler(err error) string {
	e, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok || e.Code != protocolViolation:
	case strings.Contains(e.Message, "authentication failed"), strings.HasPrefix(e.Message, "no such user"):
		return wrongPassword
	case strings.HasPrefix(e.Message, "no such database"):
		return noDatabase
	case strings.HasPrefix(e.Message, "no more connections allowed"):
		return tooManyConnections
	}
	return ""
}

// said is what the server said, on one line.
func said(err error) string {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return strings.Join(strings.Fields(lastPart(err)), " ")
	}
	parts := slices.DeleteFunc([]string{e.Message, e.Detail, e.Hint}, func(s string) bool { return s == "" })
	return strings.Join(strings.Fields(strings.Join(parts, "; ")), " ")
}

// explained is an error in our words; the server's own is kept for its code.
type explained struct {
	text string
	err  error
}

func (e *explained) Error() string { return e.text }
func (e *explained) Unwrap() error { return e.err }

func explainf(err error, format string, a ...any) error {
	return &explained{fmt.Sprintf(format, a...), err}
}

// ofLocale tells of a server that was made for a locale of another encoding: template0 takes
// on no encoding that the locale does not have, whatever the server's own hints say (15.20;
// findings/postgresql-template0-takes-not-any-encoding.sh).
func (s *server) ofLocale(err error, statement string) error {
	if codeOf(err) != invalidParameter {
		return err
	}
	return explainf(err, "the server was made for a locale whose texts are not UTF-8: %s; make the database by hand, with a locale that has UTF-8 (C.UTF-8, or one of your language: locale -a), and deploy again: %s LOCALE 'C.UTF-8'", said(err), statement)
}

// explain says what a statement of the administrator's has failed for.
func explain(err error) error {
	if _, ok := errors.AsType[*explained](err); ok {
		return err
	}
	switch codeOf(err) {
	case "":
		return err
	case insufficientPrivilege:
		return explainf(err, "the administrator lacks a privilege: %s; log in as one who has it (a superuser, or ALTER ROLE … CREATEROLE CREATEDB)", said(err))
	case readOnly:
		return explainf(err, "the server is a standby, where nothing can be created: name the primary in server of the database block")
	}
	return explainf(err, "the server says: %s", said(err))
}

// explainAdmin says why the administrator does not get in.
func explainAdmin(l login, err error) error {
	socket := path.IsAbs(l.Host)
	switch code := codeOf(err); {
	case socket && (code == notAuthorized || code == wrongPassword):
		return explainf(err, "the server does not accept %s on its socket (%s); allow it with a first line of pg_hba.conf, and reload the server (systemctl reload postgresql): local all %s peer", l.User, said(err), l.User)
	case code == notAuthorized || code == wrongPassword:
		return explainf(err, "the server rejects the administrator of admin (%s); correct its user:password, or pg_hba.conf of the server", said(err))
	case ofPooler(err) == wrongPassword:
		return explainf(err, "the pooler at %s rejects the administrator of admin (%s); correct its user:password, or have the pooler know it (auth_file, auth_query), or name the server behind it in server of the database block",
			net.JoinHostPort(l.Host, l.Port), said(err))
	case ofPooler(err) == noDatabase:
		return explainf(err, "the pooler at %s has no way to the databases postgres and template1 (%s), by one of which the others are made; add it to [databases], or name the server behind it in server of the database block",
			net.JoinHostPort(l.Host, l.Port), said(err))
	}
	return unreachable(l, err)
}

// explainApp says why the app would not get in.
func explainApp(l login, as *child.Account, err error) error {
	switch ofPooler(err) {
	case wrongPassword:
		return explainf(err, "role and database are there, and the pooler at %s does not know the role %q (%s); have it ask the server for passwords (auth_query of PgBouncer), or name the server behind it in server of the database block",
			net.JoinHostPort(l.Host, l.Port), l.User, said(err))
	case noDatabase:
		return explainf(err, "role and database are there, and the pooler at %s has no way to the database %q (%s); add it, or *, to [databases] of PgBouncer, or name the server behind it in server of the database block",
			net.JoinHostPort(l.Host, l.Port), l.Name, said(err))
	}
	switch codeOf(err) {
	case wrongPassword:
		return explainf(err, "the role %q rejects the password that was created for it (%s): it was changed, or the role was made by somebody else; set owner in the database block to another name, or have that role removed by hand", l.User, said(err))
	case notAuthorized:
		line := fmt.Sprintf("local %s %s scram-sha-256", word(l.Name), word(l.User))
		how := "by its socket"
		if !path.IsAbs(l.Host) {
			line = fmt.Sprintf("host %s %s ADDRESS/32 scram-sha-256", word(l.Name), word(l.User))
			how = "from this machine"
		}
		return explainf(err, "role and database are there, and the server does not accept %s as the role %q %s (%s); allow it with a line of pg_hba.conf before the one that rejects it, and reload the server (systemctl reload postgresql): %s",
			whoText(as), l.User, how, said(err), line)
	}
	return unreachable(l, err)
}

func whoText(a *child.Account) string {
	if a == nil {
		return "this program's user"
	}
	return a.String()
}

// word is a name in pg_hba.conf.
func word(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == "" {
		return s
	}
	return identifier(s)
}

// unreachable says why no login came about, whoever it was for.
func unreachable(l login, err error) error {
	at := net.JoinHostPort(l.Host, l.Port)
	if path.IsAbs(l.Host) {
		at = socketOf(l.Host, l.Port)
	}
	foreign, isForeign := errors.AsType[*foreignServerError](err)
	dns, noName := errors.AsType[*net.DNSError](err)
	switch {
	case isForeign:
		return explainf(err, "%s", foreign)
	case noName:
		return explainf(err, "the host %s is not found (%s); correct server in the database block", l.Host, dns.Err)
	case errors.Is(err, fs.ErrNotExist):
		return explainf(err, "no server listens at %s; start it (systemctl start postgresql), or correct server in the database block%s", at, otherSockets(l.Host))
	case errors.Is(err, syscall.ECONNREFUSED):
		return explainf(err, "no server listens at %s (connection refused); start it (systemctl start postgresql), or correct server in the database block", at)
	case errors.Is(err, fs.ErrPermission):
		return explainf(err, "the socket %s is closed to %s; correct unix_socket_permissions and unix_socket_group in postgresql.conf", at, whoText(l.dialer.as))
	case codeOf(err) == cannotConnectNow:
		return explainf(err, "the server at %s accepts no connections yet (%s); check its log, and deploy again", at, said(err))
	case codeOf(err) == tooManyConnections || ofPooler(err) == tooManyConnections:
		return explainf(err, "the server at %s accepts no more connections (%s); raise max_connections (max_client_conn of a pooler), or end some, and deploy again", at, said(err))
	case codeOf(err) != "":
		return explainf(err, "the server at %s says: %s", at, said(err))
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return err
	}
	return explainf(err, "cannot log in at %s: %s; is it a PostgreSQL server that listens there? check its log", at, said(err))
}

// otherSockets names the sockets of other servers in a folder.
func otherSockets(folder string) string {
	names, _ := filepath.Glob(filepath.Join(folder, ".s.PGSQL.*"))
	var found []string
	for _, n := range names {
		if validPort(strings.TrimPrefix(path.Ext(n), ".")) {
			found = append(found, `"unix:`+n+`"`)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return "; others listen there: server = " + strings.Join(found, " or ")
}

// belongsTo is a database that somebody else has made.
func (s *server) belongsTo(owner string) error {
	return &explained{text: fmt.Sprintf("the database %q is there and belongs to the role %q, not to %q; set name or owner in the database block, or change its owner by hand: ALTER DATABASE %s OWNER TO %s",
		s.name, owner, s.owner, identifier(s.name), identifier(s.owner))}
}

// unknownPassword is a role that somebody else has made.
func unknownPassword(role string) error {
	return &explained{text: fmt.Sprintf("the role %q is there, and its password is not known here: it is left unchanged; set owner in the database block to another name, or, if the role is not needed, remove it by hand: DROP ROLE %s", role, identifier(role))}
}

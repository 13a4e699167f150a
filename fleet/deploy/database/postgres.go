package database

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/user"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wsgid-fleet/wsgid-fleet/appspec"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/deploy/child"
)

// administrator is the user of the machine, and the role, that a server on it
// belongs to.
const administrator = "postgres"

// Maker makes the role and the database of a block where they are not there. Nothing
// that is there is altered.
type Maker struct {
	Spec appspec.Database
	App  *child.Account // whom the app runs as; nil: this process's user
	// Chroot says that the app sees no socket of this machine.
	Chroot bool
	// Remembered is the password that an earlier call has made, or empty. A new one
	// goes to Save before the server hears of it.
	Remembered string
	Save       func(password string) error
	// Agree has all hosts of a fleet remember the same of a server that all of them
	// reach: it writes mine under that name where instead is what is there (empty:
	// nothing is), or nothing where mine is empty, and returns what is there then. nil:
	// this host is alone.
	Agree func(ctx context.Context, name, mine, instead string) (string, error)
	// Connect limits one login, All all of it. 0: the usual.
	Connect, All time.Duration
}

// Made is a database that is there, and that the app can use.
type Made struct {
	Connection
	Note string // what was done, for people
}

// Make makes what is missing, and logs in as the app will.
func (m *Maker) Make(ctx context.Context) (Made, error) {
	if m.Connect == 0 {
		m.Connect = 10 * time.Second
	}
	if m.All == 0 {
		m.All = 2 * time.Minute
	}
	limited, cancel := context.WithTimeoutCause(ctx, m.All, fmt.Errorf("it took longer than %s", m.All))
	defer cancel()
	made, err := m.make(limited)
	if err != nil {
		if limited.Err() != nil {
			err = context.Cause(limited)
		}
		return Made{}, fmt.Errorf("cannot make database %q on %s: %w", m.Spec.Name, m.Spec.Server, err)
	}
	return made, nil
}

func (m *Maker) make(ctx context.Context) (Made, error) {
	admin, err := m.admin()
	if err != nil {
		return Made{}, err
	}
	conn, err := admin.connect(ctx)
	if codeOf(err) == noDatabase || ofPooler(err) == noDatabase {
		admin.Name = "template1"
		conn, err = admin.connect(ctx)
	}
	if err != nil {
		return Made{}, explainAdmin(admin, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	s := &server{conn: conn, admin: admin, name: m.Spec.Name, owner: m.Spec.Owner}
	made, err := m.ensure(ctx, s)
	if err != nil {
		return Made{}, explain(err)
	}
	connection, how, err := m.verify(ctx, s)
	if err != nil {
		return Made{}, err
	}
	if how != "" {
		made = append(made, how)
	}
	return Made{Connection: connection, Note: strings.Join(made, ", ")}, nil
}

// admin is the login of the server's administrator: by a socket the user postgres,
// or, where we are not root, our own user.
func (m *Maker) admin() (login, error) {
	host, port := appspec.DatabaseServer(m.Spec.Server)
	l := login{Connection: Connection{Engine: PostgreSQL, Name: "postgres", Host: host, Port: port}, limit: m.Connect}
	if !path.IsAbs(host) {
		l.User, l.Password, _ = strings.Cut(m.Spec.Admin, ":")
		return l, nil
	}
	if port == usualPort {
		l.Port = ""
	}
	l.dialer.owners = []int{0, os.Geteuid()}
	postgres, err := user.Lookup(administrator)
	if err == nil {
		uid, _ := strconv.Atoi(postgres.Uid)
		l.dialer.owners = append(l.dialer.owners, uid)
	}
	if os.Geteuid() != 0 {
		own, err := user.Current()
		if err != nil {
			return login{}, fmt.Errorf("the user that this program runs as has no name (%w), and PostgreSQL asks for one", err)
		}
		l.User = own.Username
		return l, nil
	}
	if err != nil {
		return login{}, fmt.Errorf("this machine has no user %s, whom a server on it belongs to: install PostgreSQL (apt-get install postgresql), or name another server by host:port, with admin", administrator)
	}
	uid, uerr := strconv.Atoi(postgres.Uid)
	gid, gerr := strconv.Atoi(postgres.Gid)
	if err := errors.Join(uerr, gerr); err != nil {
		return login{}, err
	}
	l.User = administrator
	l.dialer.as = &child.Account{UID: uid, GID: gid, Name: "user " + administrator}
	return l, nil
}

// server is a server with its administrator logged in.
type server struct {
	conn        *pgconn.PgConn
	admin       login
	name, owner string // of the database
}

// find tells whether the role is there, and whose the database is that is there.
func (s *server) find(ctx context.Context) (role, db bool, owner string, err error) {
	roles, err := rows(ctx, s.conn, "SELECT rolcanlogin FROM pg_catalog.pg_roles WHERE rolname = $1", s.owner)
	if err != nil {
		return false, false, "", err
	}
	if len(roles) > 0 && roles[0][0] == "f" {
		return false, false, "", &explained{text: fmt.Sprintf("the role %q is there and may not log in: it is left unchanged; set owner in the database block to another name, or allow it by hand: ALTER ROLE %s LOGIN", s.owner, identifier(s.owner))}
	}
	dbs, err := rows(ctx, s.conn, "SELECT pg_catalog.pg_get_userbyid(datdba) FROM pg_catalog.pg_database WHERE datname = $1", s.name)
	if err != nil {
		return false, false, "", err
	}
	if len(dbs) > 0 {
		owner = dbs[0][0]
	}
	return len(roles) > 0, len(dbs) > 0, owner, nil
}

// ensure makes the role and the database where they are missing.
func (m *Maker) ensure(ctx context.Context, s *server) (made []string, err error) {
	role, db, owner, err := s.find(ctx)
	switch {
	case err != nil:
		return nil, err
	case db && owner != s.owner:
		return nil, s.belongsTo(owner)
	}
	if m.shared() {
		if err := m.agree(ctx, role); err != nil {
			return nil, err
		}
	}
	switch {
	case role && m.Remembered == "" && m.shared():
		return nil, fmt.Errorf("%w; if another host of the fleet has created it, deploy there first: then it is shared with the others", unknownPassword(s.owner))
	case role && m.Remembered == "":
		return nil, unknownPassword(s.owner)
	}
	if !role {
		if err := m.makeRole(ctx, s); err != nil {
			return nil, err
		}
		made = append(made, "created the role "+s.owner)
	}
	if db {
		return made, nil
	}
	err = s.makeDatabase(ctx)
	switch code := codeOf(err); {
	case code == duplicateDatabase || code == uniqueViolation: // somebody else at the same moment
		_, db, owner, ferr := s.find(ctx)
		switch {
		case ferr != nil:
			return nil, ferr
		case db && owner != s.owner:
			return nil, s.belongsTo(owner)
		case !db:
			return nil, err
		}
		return made, nil
	case err != nil:
		return nil, err
	}
	return append(made, "created the database "+s.name), nil
}

// makeRole makes the role. Its password is safe before the server knows it: whatever
// happens in between, the next call can use what this one has made.
func (m *Maker) makeRole(ctx context.Context, s *server) error {
	if m.Remembered == "" {
		password := rand.Text()
		if err := m.Save(password); err != nil {
			return fmt.Errorf("cannot keep the password of the role %q: %w", s.owner, err)
		}
		m.Remembered = password
	}
	secret, err := verifier(m.Remembered)
	if err != nil {
		return err
	}
	err = do(ctx, s.conn, "CREATE ROLE "+identifier(s.owner)+" LOGIN PASSWORD "+literal(secret))
	// Made by somebody else at the same moment: 42710, or, where both are in the
	// middle of it, 23505 of the catalogue's index.
	if code := codeOf(err); code == duplicateObject || code == uniqueViolation {
		if m.shared() {
			return nil // another host, with the password that they agree on
		}
		return unknownPassword(s.owner)
	}
	return err
}

// makeDatabase makes the database from template0: a session in template1 would
// block it. The role owns it: a grant on it would give no tables in public.
func (s *server) makeDatabase(ctx context.Context) error {
	statement := "CREATE DATABASE " + identifier(s.name) + " OWNER " + identifier(s.owner) + " TEMPLATE template0 ENCODING 'UTF8'"
	err := do(ctx, s.conn, statement)
	if codeOf(err) != insufficientPrivilege {
		return s.ofLocale(err, statement)
	}
	// An administrator who is not a superuser must be a member of the role for that (15.20;
	// findings/postgresql-who-makes-a-role-cannot-give-it-a-database.sh).
	held, herr := rows(ctx, s.conn, "SELECT 1 FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.roleid"+
		" WHERE r.rolname = $1 AND pg_catalog.pg_get_userbyid(m.member) = current_user AND pg_catalog.pg_get_userbyid(m.grantor) = current_user", s.owner)
	if herr != nil {
		return err
	}
	grant, revoke := membership(s.owner, len(held) > 0)
	if gerr := do(ctx, s.conn, grant); gerr != nil {
		return err
	}
	err = s.ofLocale(do(ctx, s.conn, statement), statement)
	return errors.Join(err, do(context.WithoutCancel(ctx), s.conn, revoke))
}

// membership makes the administrator a member of the role who can give it a database, and
// takes that away again. One who has given himself the role before, as createrole_self_grant
// of PostgreSQL 16 does, is given nothing by a plain GRANT, and left without it by REVOKE (18.4;
// findings/postgresql-18-grant-adds-nothing-and-revoke-takes-all.sh).
func membership(role string, held bool) (grant, revoke string) {
	grant, revoke = "GRANT "+identifier(role)+" TO CURRENT_USER", "REVOKE "+identifier(role)+" FROM CURRENT_USER"
	if held {
		return grant + " WITH SET TRUE", strings.Replace(revoke, "REVOKE", "REVOKE SET OPTION FOR", 1)
	}
	return grant, revoke
}

// verify logs in as the app will: by what the block says, or, where the server lets
// the role in by its socket only by the user of its name, by the loopback.
func (m *Maker) verify(ctx context.Context, s *server) (Connection, string, error) {
	l := s.admin
	l.Name, l.User, l.Password, l.dialer.as = s.name, s.owner, m.Remembered, m.App
	if !path.IsAbs(l.Host) {
		return l.Connection, "", m.try(ctx, l)
	}
	var bySocket error
	if !m.Chroot {
		if bySocket = m.try(ctx, l); bySocket == nil || codeOf(bySocket) != notAuthorized {
			return l.Connection, "", bySocket
		}
	}
	loopback := s.loopback(ctx)
	if loopback != "" {
		l.Host, l.Port, _ = net.SplitHostPort(loopback)
		err := m.try(ctx, l)
		switch {
		case err == nil && m.Chroot:
			return l.Connection, "reached at " + loopback + ": the app sees no socket in its chroot", nil
		case err == nil:
			return l.Connection, "reached at " + loopback + ": by its socket the server takes no password", nil
		case m.Chroot || codeOf(err) == wrongPassword:
			return Connection{}, "", err
		}
	}
	if m.Chroot {
		return Connection{}, "", errors.New("with chroot the app sees no socket of this machine, and the server listens on no loopback address; set listen_addresses = 'localhost' in its postgresql.conf, or leave chroot out")
	}
	return Connection{}, "", fmt.Errorf("%w; nor by a loopback address", bySocket)
}

// loopback is where the server of a socket is reached otherwise; empty: nowhere.
func (s *server) loopback(ctx context.Context) string {
	found, err := rows(ctx, s.conn, "SELECT pg_catalog.current_setting('listen_addresses'), pg_catalog.current_setting('port')")
	if err != nil || !validPort(found[0][1]) {
		return ""
	}
	for a := range strings.SplitSeq(found[0][0], ",") {
		a = strings.TrimSpace(a)
		ip, err := netip.ParseAddr(a)
		switch {
		case a == "*" || a == "localhost" || err == nil && (ip == netip.IPv4Unspecified()):
			return net.JoinHostPort("127.0.0.1", found[0][1])
		case err == nil && ip == netip.IPv6Unspecified():
			return net.JoinHostPort("::1", found[0][1])
		case err == nil && ip.IsLoopback():
			return net.JoinHostPort(ip.String(), found[0][1])
		}
	}
	return ""
}

// try logs in and out.
func (m *Maker) try(ctx context.Context, l login) error {
	conn, err := l.connect(ctx)
	if err != nil {
		return explainApp(l, m.App, err)
	}
	return conn.Close(context.WithoutCancel(ctx))
}

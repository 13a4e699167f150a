package database

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// usualPort is libpq's, of sockets too.
const usualPort = "5432"

// connectRetry is how often a server is asked again that starts, or whose queue is full.
const connectRetry = 200 * time.Millisecond

// login is who connects where.
type login struct {
	Connection
	dialer dialer
	limit  time.Duration
}

// connect logs in. A server that is only starting is waited for.
func (l login) connect(ctx context.Context) (*pgconn.PgConn, error) {
	conf, err := l.config()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.limit, fmt.Errorf("the server does not answer within %s", l.limit))
	defer cancel()
	var notYet error // what the server has said
	for {
		conn, err := pgconn.ConnectConfig(ctx, conf)
		switch {
		case err == nil:
			return conn, nil
		case errors.Is(err, syscall.EAGAIN), codeOf(err) == cannotConnectNow:
			notYet = err
		case ctx.Err() != nil:
			return nil, errors.Join(context.Cause(ctx), notYet)
		default:
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), notYet)
		case <-time.After(connectRetry):
		}
	}
}

// config is what the driver wants. It reads this process's environment (PGHOST and
// the like) and takes from it what is not said, so all is said.
func (l login) config() (*pgconn.Config, error) {
	socket := path.IsAbs(l.Host)
	mode := "prefer"
	if socket {
		mode = "disable"
	}
	conf, err := pgconn.ParseConfig("host=" + quoted(l.Host) + " port=" + cmp.Or(l.Port, usualPort) + " user=" + quoted(l.User) +
		" dbname=" + quoted(l.Name) + " password=" + quoted(l.Password) + " passfile=/dev/null sslmode=" + mode +
		" target_session_attrs=any sslnegotiation=postgres channel_binding=prefer require_auth=!password")
	if err != nil {
		return nil, errors.New("the environment has PG… variables that contradict each other (" + strings.TrimSpace(lastPart(err)) + "); unset them")
	}
	conf.Password = l.Password // an empty one may have been filled in
	conf.RuntimeParams = map[string]string{"application_name": "wsgid-fleet", "client_encoding": "UTF8", "standard_conforming_strings": "on"}
	conf.ConnectTimeout = 0 // by the context
	conf.DialFunc = l.dialer.dial
	return conf, nil
}

// lastPart is the reason in an error of the driver, which repeats what it was given
// before that.
func lastPart(err error) string {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err.Error()
		}
		err = inner
	}
}

// quoted is a value of a connection string in the form keyword=value.
func quoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// rows asks a question and returns the answer as texts.
func rows(ctx context.Context, conn *pgconn.PgConn, question string, arguments ...string) ([][]string, error) {
	values := make([][]byte, len(arguments))
	for i, a := range arguments {
		values[i] = []byte(a)
	}
	result := conn.ExecParams(ctx, question, values, nil, nil, nil).Read()
	if result.Err != nil {
		return nil, result.Err
	}
	var out [][]string
	for _, row := range result.Rows {
		var texts []string
		for _, v := range row {
			texts = append(texts, string(v))
		}
		out = append(out, texts)
	}
	return out, nil
}

// do carries out a statement.
func do(ctx context.Context, conn *pgconn.PgConn, statement string) error {
	_, err := conn.Exec(ctx, statement).ReadAll()
	return err
}

func identifier(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
func literal(s string) string    { return `'` + strings.ReplaceAll(s, `'`, `''`) + `'` }

// socketOf is the file of a socket in a folder.
func socketOf(folder, port string) string {
	return path.Join(folder, ".s.PGSQL."+cmp.Or(port, usualPort))
}

func validPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

package database

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// What PgBouncer 1.18 says, and what is said of it: findings/pgbouncer-calls-a-wrong-password-a-broken-protocol.sh.
func TestPoolerRefuses(t *testing.T) {
	l := login{Connection: Connection{Engine: PostgreSQL, Name: "shop", User: "boss", Host: "10.0.0.1", Port: "6432"}}
	const behind = "name the server behind it in server of the database block"
	for message, want := range map[string]struct{ admin, app string }{
		"SASL authentication failed": {
			"the pooler at 10.0.0.1:6432 rejects the administrator of admin (SASL authentication failed); correct its user:password, or have the pooler know it (auth_file, auth_query), or " + behind,
			"role and database are there, and the pooler at 10.0.0.1:6432 does not know the role \"boss\" (SASL authentication failed); have it ask the server for passwords (auth_query of PgBouncer), or " + behind,
		},
		"no such user: boss": {"rejects the administrator of admin", "does not know the role \"boss\""},
		"no such database: shop": {
			"the pooler at 10.0.0.1:6432 has no way to the databases postgres and template1 (no such database: shop), by one of which the others are made; add it to [databases], or " + behind,
			"role and database are there, and the pooler at 10.0.0.1:6432 has no way to the database \"shop\" (no such database: shop); add it, or *, to [databases] of PgBouncer, or " + behind,
		},
		"no more connections allowed (max_client_conn)": {"accepts no more connections", "raise max_connections (max_client_conn of a pooler)"},
		"insufficient data left in message":             {"the server at 10.0.0.1:6432 says: insufficient data", "the server at 10.0.0.1:6432 says: insufficient data"},
	} {
		err := &pgconn.PgError{Code: protocolViolation, Message: message}
		if got := explainAdmin(l, err).Error(); !strings.Contains(got, want.admin) {
			t.Errorf("%s: of the administrator: %s", message, got)
		}
		if got := explainApp(l, nil, err).Error(); !strings.Contains(got, want.app) {
			t.Errorf("%s: of the app: %s", message, got)
		}
	}
}

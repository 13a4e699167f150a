package etcd

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
	"github.com/wsgid-fleet/wsgid-fleet/runner/certtest"
)

// authority makes certificates for a test: NAME.pem and NAME.key in a folder.
type authority struct {
	t    *testing.T
	dir  string
	root *certtest.Certificate
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), root: certtest.Authority(t, certtest.Called(name))}
	a.root.Write(t, a.file(name+".pem"), a.file(name+".key"))
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) issue(name string) *certtest.Certificate {
	a.t.Helper()
	c := a.root.Issue(a.t, certtest.Called(name))
	c.Write(a.t, a.file(name+".pem"), a.file(name+".key"))
	return c
}

// obeyed has an administrator's order be done. An etcd that is short of time says "request
// timed out", whether it has done so or not.
func obeyed(t *testing.T, what string, do func() error) {
	t.Helper()
	var err error
	await.True(t, what, func() bool {
		err = do()
		return err == nil || errors.Is(err, rpctypes.ErrRoleAlreadyExist) || errors.Is(err, rpctypes.ErrUserAlreadyExist) ||
			errors.Is(err, rpctypes.ErrUserEmpty) // users count: it asks who says so
	}, func() any { return err })
}

// TestWithCertificatesAndUsers: etcd asks for a certificate of its authority, and for a
// user whose role has the prefix of the fleet and no more. A host takes part so; who has
// less is told what is missing.
func TestWithCertificatesAndUsers(t *testing.T) {
	t.Parallel()
	ours, other := newAuthority(t, "ca"), newAuthority(t, "ca")
	ours.issue("server")
	ours.issue("machine")
	ours.issue("host")
	other.issue("machine")
	s := etcdtest.Start(t, "--cert-file="+ours.file("server.pem"), "--key-file="+ours.file("server.key"),
		"--trusted-ca-file="+ours.file("ca.pem"), "--client-cert-auth", "--auth-token-ttl=2")
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := Config{Endpoints: []string{s.Endpoint}, Prefix: "/wsgid/eu", Limit: 20 * time.Second,
		CA: ours.file("ca.pem"), Cert: ours.file("machine.pem"), Key: ours.file("machine.key")}
	client := func(change func(*Config)) *Client {
		cfg := good
		change(&cfg)
		c := New(cfg)
		t.Cleanup(c.Close)
		return c
	}
	// Before there are users whoever has a certificate may do everything.
	root := client(func(*Config) {})
	cl, err := root.conn()
	if err != nil {
		t.Fatal(err)
	}
	await.True(t, "etcd answers", func() bool { _, err := cl.Get(t.Context(), "x"); return err == nil })
	ctx := t.Context()
	obeyed(t, "a role", func() error { _, err := cl.RoleAdd(ctx, "fleet"); return err })
	obeyed(t, "what it may do", func() error {
		_, err := cl.RoleGrantPermission(ctx, "fleet", "/wsgid/eu/", "/wsgid/eu0", clientv3.PermissionType(clientv3.PermReadWrite))
		return err
	})
	for name, role := range map[string]string{"root": "root", "host": "fleet"} {
		obeyed(t, "a user "+name, func() error {
			_, err := cl.UserAdd(ctx, name, map[string]string{"root": "r", "host": "secret"}[name])
			return err
		})
		obeyed(t, "the role of "+name, func() error { _, err := cl.UserGrantRole(ctx, name, role); return err })
	}
	obeyed(t, "users count", func() error { _, err := cl.AuthEnable(ctx); return err })
	password := write("password", "secret\n")
	as := func(c *Config) { c.User, c.PasswordFile = "host", password }
	for name, c := range map[string]struct {
		with func(*Config)
		says string
	}{
		"no user":          {func(*Config) {}, "--etcd-user"},
		"a wrong password": {func(c *Config) { as(c); c.PasswordFile = write("p", "wrong") }, "authentication failed, invalid user ID or password; correct --etcd-user, or the password in /"},
		"another fleet":    {func(c *Config) { as(c); c.Prefix = "/wsgid/us" }, "grant its role readwrite on the prefix /wsgid/us/"},
		"no certificate":   {func(c *Config) { as(c); c.Cert, c.Key, c.Limit = "", "", time.Second }, "cannot "},
		"of another authority": {func(c *Config) {
			as(c)
			c.Cert, c.Key, c.Limit = other.file("machine.pem"), other.file("machine.key"), time.Second
		}, "cannot "},
		"not our etcd": {func(c *Config) { as(c); c.CA, c.Limit = other.file("ca.pem"), 3*time.Second }, "certificate signed by unknown authority"},
	} {
		_, _, err := client(c.with).Push(ctx, textsOf("a.hcl", "app \"a\" {}"), "test")
		told := func() bool { return err != nil && strings.Contains(err.Error(), c.says) }
		for limit := 6 * time.Second; !told() && err != nil && strings.Contains(err.Error(), "no answer in time") && limit < time.Minute; limit *= 2 {
			// No handshake came to its end, on a busy machine.
			_, _, err = client(func(cfg *Config) { c.with(cfg); cfg.Limit = limit }).Push(ctx, textsOf("a.hcl", "app \"a\" {}"), "test")
		}
		if !told() {
			t.Errorf("%s: %v; want %q", name, err, c.says)
		}
	}
	// A certificate with the name of a user needs no password.
	push(t, client(func(c *Config) { c.Cert, c.Key = ours.file("host.pem"), ours.file("host.key") }), textsOf("a.hcl", "app \"a\" {}"))
	c := client(as)
	apps := someApps(3)
	h := joinBy(t, c, "a", t.TempDir(), apps...)
	await.True(t, "the host runs its apps", func() bool { return spread(apps, h) })
	// The host goes on for longer than a token lasts that nobody uses; TestTokensEnd has those that end.
	began := time.Now()
	for n := 1; time.Since(began) < 5*time.Second; n++ {
		g := push(t, c, textsOf("a.hcl", strings.Repeat("# again\n", n)))
		await.True(t, "the host has the texts", func() bool { now, _ := h.mirror.Current(); return now == g })
		time.Sleep(500 * time.Millisecond)
	}
	if v, err := c.View(ctx); err != nil || v.Hosts["a"] != (cluster.Host{ID: "a", Region: "eu1", Machine: h.Host.Machine}) {
		t.Errorf("the host is not there as it was: %+v, %v", v, err)
	}
}

func passwordFile(t *testing.T, password string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

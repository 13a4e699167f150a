package etcd

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster/etcd/etcdtest"
	"github.com/wsgid-fleet/wsgid-fleet/runner/await"
)

// jwtKey is the option by which etcd signs tokens that end after two seconds, however they
// are used.
func jwtKey(t *testing.T) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range map[string]*pem.Block{"private": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}, "public": {Type: "PUBLIC KEY", Bytes: public}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return "--auth-token=jwt,sign-method=RS256,ttl=2s,pub-key=" + filepath.Join(dir, "public") + ",priv-key=" + filepath.Join(dir, "private")
}

// TestTokensEnd: a host asks on, follows and is there when the token of its user has ended,
// in use or while etcd was away, beside a server of any release.
func TestTokensEnd(t *testing.T) {
	t.Parallel()
	etcdtest.Each(t, func(t *testing.T, start func(int, ...string) []*etcdtest.Server) {
		for name, option := range map[string]string{"of one use": jwtKey(t), "unused": "--auth-token-ttl=1"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				root := fleetAt(t, start(1, option)...)
				cl := raw(t, root)
				ctx, over := context.WithTimeout(t.Context(), 2*await.Patience)
				defer over()
				for _, role := range []string{"root", "fleet"} {
					obeyed(t, "role "+role, func() error { _, err := cl.RoleAdd(ctx, role); return err })
				}
				obeyed(t, "what it may do", func() error {
					_, err := cl.RoleGrantPermission(ctx, "fleet", root.cfg.Prefix+"/", root.cfg.Prefix+"0", clientv3.PermissionType(clientv3.PermReadWrite))
					return err
				})
				for user, role := range map[string]string{"root": "root", "host": "fleet"} {
					obeyed(t, "user "+user, func() error { _, err := cl.UserAdd(ctx, user, "secret"); return err })
					obeyed(t, "the role of "+user, func() error { _, err := cl.UserGrantRole(ctx, user, role); return err })
				}
				obeyed(t, "users count", func() error { _, err := cl.AuthEnable(ctx); return err })
				as := func(user string) *Client {
					c := New(Config{Endpoints: root.cfg.Endpoints, Prefix: root.cfg.Prefix, Limit: root.cfg.Limit, User: user, PasswordFile: passwordFile(t, "secret")})
					t.Cleanup(c.Close)
					return c
				}
				c := as("host")
				push(t, c, textsOf("a.hcl", "# 0"))
				// Begun with a token that lives: on a busy machine one may end between push and watch.
				var follower clientv3.WatchChan
				await.True(t, "somebody follows", func() bool {
					follower = raw(t, c).Watch(ctx, c.key("specs", ""), clientv3.WithPrefix(), clientv3.WithCreatedNotify())
					return (<-follower).Created
				})
				ended := time.Now().Add(4 * time.Second)
				await.True(t, "the token has ended", func() bool { return time.Now().After(ended) })
				push(t, c, textsOf("a.hcl", "# 1"))
				if r, ok := <-follower; !ok || r.Err() != nil {
					t.Errorf("who followed before is told %+v, %v", r, ok)
				}
				// As a session does it, which begins again where it is told of a mistake: a token of
				// two seconds may end between its look and its watch.
				edits := 1
				await.True(t, "who follows from then on is told", func() bool {
					v, err := c.View(ctx)
					if err != nil {
						t.Fatal(err)
					}
					watch, over := context.WithCancel(ctx)
					defer over()
					later := c.watch(watch, raw(t, c), v.Revision)
					edits++
					push(t, c, textsOf("a.hcl", fmt.Sprint("# ", edits)))
					for r := range later {
						if err := c.watchEnd(r, true); err != nil {
							t.Logf("to be begun again: %v", err)
							return false
						}
						if len(r.Events) > 0 {
							return true
						}
					}
					return false
				})
				// With a new password, in etcd and in its file, the host goes on.
				if err := os.WriteFile(c.cfg.PasswordFile, []byte("changed\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				admin := raw(t, as("root"))
				obeyed(t, "a new password", func() error { _, err := admin.UserChangePassword(ctx, "host", "changed"); return err })
				push(t, c, textsOf("a.hcl", "# the last"))
			})
		}
	})
}

// TestCertificatesAreRenewed: etcd and who asks it take certificates of another authority
// while nobody is connected, and trust the new one.
func TestCertificatesAreRenewed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	install := func() {
		from := newAuthority(t, "ca")
		for _, name := range []string{"server", "machine"} {
			from.issue(name)
		}
		for _, name := range []string{"ca.pem", "server.pem", "server.key", "machine.pem", "machine.key"} {
			text, err := os.ReadFile(from.file(name))
			if err == nil {
				err = os.WriteFile(file(name), text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	install()
	s := etcdtest.Start(t, "--cert-file="+file("server.pem"), "--key-file="+file("server.key"), "--trusted-ca-file="+file("ca.pem"), "--client-cert-auth")
	c := New(Config{Endpoints: []string{s.Endpoint}, Prefix: "/wsgid/eu", Limit: 20 * time.Second, CA: file("ca.pem"), Cert: file("machine.pem"), Key: file("machine.key")})
	t.Cleanup(c.Close)
	pushed := func(text string) {
		t.Helper()
		var err error
		await.True(t, "the texts are there", func() bool {
			_, _, err = c.Push(t.Context(), textsOf("a.hcl", text), "test")
			return err == nil
		}, func() any { return err })
	}
	pushed("# 1")
	s.Kill()
	// In the middle of it, the files that there were count on.
	if err := os.WriteFile(file("machine.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Run()
	pushed("# 2")
	s.Kill()
	install()
	s.Run()
	pushed("# 3")
}

// A watch ends with words alone, as etcd 3.4.23 has them: who follows is told that the token
// ended, or that there is to be a user.
func TestAWatchWithoutAToken(t *testing.T) {
	t.Parallel()
	for _, try := range []struct {
		user, says, want string
	}{
		{"host", rpctypes.ErrGRPCUserEmpty.Error(), "the token of user host has ended; the next try gets a new one"},
		{"host", rpctypes.ErrGRPCInvalidAuthToken.Error(), "the token of user host has ended; the next try gets a new one"},
		{"", rpctypes.ErrGRPCUserEmpty.Error(), "it asks for a user; name one with --etcd-user and --etcd-password-file"},
	} {
		c := New(Config{Endpoints: []string{"127.0.0.1:1"}, Prefix: "/wsgid/eu", User: try.user})
		defer c.Close()
		if err := c.explain("watch", errors.New(try.says)); err.Error() != "cannot watch etcd://127.0.0.1:1/wsgid/eu: "+try.want {
			t.Errorf("user %q, %s: %v", try.user, try.says, err)
		}
	}
}

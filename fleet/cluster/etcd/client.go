package etcd

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Scheme begins the name of a source in etcd.
const Scheme = "etcd://"

// DefaultPrefix is where the keys of a fleet are unless the source names another place.
const DefaultPrefix = "/wsgid/default"

// answerLimit is how long one question may take, unless the configuration says otherwise.
const answerLimit = 5 * time.Second

// Config says where etcd is and who asks.
type Config struct {
	Endpoints []string // host:port
	Prefix    string   // begins with a slash, ends without one
	// CA, Cert and Key are files, PEM; empty: no TLS, or no certificate of our own.
	CA, Cert, Key string
	User          string
	PasswordFile  string
	// Limit is how long etcd may take for one answer; 0: 5 s.
	Limit time.Duration
}

// Parse reads etcd://HOST:PORT,…/PREFIX.
func Parse(source string) (Config, error) {
	fail := func(why string) (Config, error) {
		return Config{}, fmt.Errorf("cannot use source %s: %s; write: etcd://host:2379,host:2379/prefix", source, why)
	}
	rest, ok := strings.CutPrefix(source, Scheme)
	if !ok {
		return fail("it does not begin with " + Scheme)
	}
	hosts, prefix, _ := strings.Cut(rest, "/")
	if strings.Contains(hosts, "@") {
		return fail("a user is named by --etcd-user")
	}
	c := Config{Prefix: DefaultPrefix}
	for h := range strings.SplitSeq(hosts, ",") {
		host, port, err := net.SplitHostPort(h)
		switch {
		case h == "":
			return fail("an address is empty")
		case err != nil:
			h = net.JoinHostPort(strings.Trim(h, "[]"), "2379")
		case host == "" || port == "":
			return fail(fmt.Sprintf("the address %q lacks host or port", h))
		}
		c.Endpoints = append(c.Endpoints, h)
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		c.Prefix = "/" + prefix
	}
	if path.Clean(c.Prefix) != c.Prefix {
		return fail("the prefix is not a plain path")
	}
	return c, nil
}

// Client speaks to etcd about one fleet. It connects when it is first asked.
type Client struct {
	cfg Config

	mu sync.Mutex
	c  *clientv3.Client // nil: not connected yet
	// learned are members that the source does not name, see learn.
	learned []string
}

// New makes a client; Close ends it.
func New(cfg Config) *Client { return &Client{cfg: cfg} }

// Close gives up the connection.
func (c *Client) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c != nil {
		_ = c.c.Close()
		c.c = nil
	}
}

// conn is the connection. A user's password is asked for now, so it may fail.
func (c *Client) conn() (*clientv3.Client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.c != nil {
		return c.c, nil
	}
	conf, err := c.config(c.endpoints()...)
	if err != nil {
		return nil, err
	}
	if c.cfg.User != "" {
		password, err := c.cfg.password()
		if err != nil {
			return nil, fmt.Errorf("cannot read the password of etcd's user %s: %w", c.cfg.User, err)
		}
		conf.Username, conf.Password = c.cfg.User, password
	}
	cl, err := clientv3.New(conf)
	if err != nil {
		return nil, c.explain("connect to", err)
	}
	c.c = cl
	return cl, nil
}

// config is how etcd is spoken to, without a user.
func (c *Client) config(endpoints ...string) (clientv3.Config, error) {
	conf := clientv3.Config{
		Endpoints: endpoints, DialTimeout: c.limit(), Logger: zap.NewNop(),
		DialKeepAliveTime: 10 * time.Second, DialKeepAliveTimeout: 3 * time.Second,
		// Without it a host that was parted from etcd for long would wait for two
		// minutes when it is back.
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.5, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 2 * time.Second,
		}), grpc.WithChainUnaryInterceptor(c.cfg.authenticate)},
	}
	var err error
	if conf.TLS, err = c.cfg.tls(); err != nil {
		return conf, err
	}
	if conf.TLS != nil {
		conf.DialOptions = append(conf.DialOptions, grpc.WithTransportCredentials(newRenewed(c.cfg, conf.TLS)))
	}
	return conf, nil
}

func (c Config) tls() (*tls.Config, error) {
	if c.CA == "" && c.Cert == "" {
		return nil, nil //nolint:nilnil // no TLS is asked for
	}
	t := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("cannot read the authority of etcd: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cannot use %s as the authority of etcd: it contains no certificate", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("cannot use the certificate for etcd: %w", err)
		}
		t.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

func (c *Client) limit() time.Duration { return cmp.Or(c.cfg.Limit, answerLimit) }

// where names etcd for people.
func (c *Client) where() string { return Scheme + strings.Join(c.cfg.Endpoints, ",") + c.cfg.Prefix }

// explain says what went wrong and what to do.
func (c *Client) explain(verb string, err error) error {
	text, next := err.Error(), ""
	if st, ok := status.FromError(err); ok {
		text = st.Message()
	}
	// By its words: of the error that ends a watch these are all there is.
	says := func(of error) bool { return strings.Contains(text, rpctypes.ErrorDesc(of)) }
	switch {
	case errors.Is(err, rpctypes.ErrNoSpace):
		text, next = "its database is full", "defragment it and end the alarm: etcdctl defrag; etcdctl alarm disarm"
	case says(rpctypes.ErrGRPCPermissionDenied):
		text, next = "this user may not", fmt.Sprintf("grant its role readwrite on the prefix %s/", c.cfg.Prefix)
		if c.cfg.User == "" {
			text, next = "whoever has this certificate may not", fmt.Sprintf("name a user with --etcd-user and --etcd-password-file, or make one of the name in the certificate; its role needs readwrite on the prefix %s/", c.cfg.Prefix)
		}
	case errors.Is(err, rpctypes.ErrAuthFailed):
		next = "correct --etcd-user, or the password in " + c.cfg.PasswordFile
	case partial(err):
		next = "what listens there has a part of etcd's interface alone, as kine of k3s has: name an etcd, 3.4 or newer"
	case c.cfg.User != "" && (says(rpctypes.ErrGRPCUserEmpty) || says(rpctypes.ErrGRPCInvalidAuthToken)):
		text = fmt.Sprintf("the token of user %s has ended; the next try gets a new one", c.cfg.User)
	case says(rpctypes.ErrGRPCUserEmpty):
		text, next = "it asks for a user", "name one with --etcd-user and --etcd-password-file"
	case errors.Is(err, context.DeadlineExceeded), status.Code(err) == codes.DeadlineExceeded:
		text, next = "no answer in time", "does a majority of its members run?"
		if why := c.reach(); errors.Is(why, errNoALPN) {
			text, next = text+": "+why.Error(), "have it offer h2 by ALPN"
		} else if why != nil {
			text += " (" + why.Error() + ")"
		}
	}
	if next != "" {
		next = "; " + next
	}
	return &etcdError{text: fmt.Sprintf("cannot %s %s: %s%s", verb, c.where(), text, next), err: err}
}

// partial tells of a server that is no etcd but takes some of its questions. Kine 0.17.5 calls
// itself etcd 3.6, grants leases and renews none
// (findings/kine-grants-a-lease-and-renews-none.sh).
func partial(err error) bool {
	if status.Code(err) == codes.Unimplemented {
		return true
	}
	text := err.Error()
	return strings.Contains(text, "unsupported operations in txn request") || strings.Contains(text, "lease keep alive is not supported")
}

// errNoALPN is what the client of etcd takes for a server that it must not speak to, and
// does not tell: it tries again until nobody waits any more.
var errNoALPN = errors.New("what ends TLS at its address does not offer HTTP/2")

// reachLimit bounds a look at what stands in the way.
const reachLimit = time.Second

// reach says why a member cannot be spoken to: of a question that nobody answered in time
// the client of etcd does not tell. nil: all of them take connections.
func (c *Client) reach() error {
	conf, err := c.cfg.tls()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), reachLimit)
	defer cancel()
	for _, e := range c.cfg.Endpoints {
		if err := reachOne(ctx, e, conf); err != nil {
			return err
		}
	}
	return nil
}

func reachOne(ctx context.Context, endpoint string, conf *tls.Config) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", endpoint)
	if err != nil {
		return err
	}
	defer conn.Close()
	if conf == nil {
		return nil
	}
	conf = conf.Clone()
	conf.NextProtos = []string{"h2"}
	conf.ServerName, _, _ = net.SplitHostPort(endpoint)
	secure := tls.Client(conn, conf)
	if err := secure.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%s: %w", endpoint, err)
	}
	if secure.ConnectionState().NegotiatedProtocol != "h2" {
		return fmt.Errorf("%s: %w", endpoint, errNoALPN)
	}
	return nil
}

// etcdError is an error in our words.
type etcdError struct {
	text string
	err  error
}

func (e *etcdError) Error() string { return e.text }
func (e *etcdError) Unwrap() error { return e.err }

// key is a key of the fleet.
func (c *Client) key(parts ...string) string {
	return c.cfg.Prefix + "/" + strings.Join(parts, "/")
}

package etcd

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/wsgid-fleet/wsgid-fleet/fleet/cluster"
)

// probeLimit is how long a member may take to say which etcd it is of.
const probeLimit = 2 * time.Second

// published are the addresses by which members say that clients reach them, but for those
// that have yet to start or to catch up, and those that are of use on their own machine alone.
func published(members []*pb.Member, secure bool) (all []string) {
	for _, m := range members {
		if m.Name == "" || m.IsLearner {
			continue
		}
		for _, text := range m.ClientURLs {
			u, err := url.Parse(text)
			if err != nil || u.Scheme != "http" && u.Scheme != "https" || (u.Scheme == "https") != secure || u.Port() == "" || u.Hostname() == "" {
				continue
			}
			if ip, err := netip.ParseAddr(u.Hostname()); err == nil && ip.IsUnspecified() {
				continue
			}
			if at := net.JoinHostPort(u.Hostname(), u.Port()); !slices.Contains(all, at) {
				all = append(all, at)
			}
		}
	}
	return all
}

// learnable are those of the published addresses that a host may try which is told of others
// by its source: where one that it uses is among them, they are what hosts reach. Where none
// is, as behind a proxy or with other names, nothing is known of them.
func learnable(source, learned, published []string) (more []string) {
	uses := slices.Concat(source, learned)
	if !slices.ContainsFunc(published, func(at string) bool { return slices.Contains(uses, at) }) {
		return nil
	}
	for _, at := range published {
		if !slices.Contains(source, at) {
			more = append(more, at)
		}
	}
	return more
}

// learn looks which members etcd has, and has the client ask those too that the source does not
// name: its members may move, one machine after another, until none is where it was. An
// address counts once who answers there is of this etcd. Where etcd does not answer, it is
// looked whether those that were known last do.
func (c *Client) learn(ctx context.Context, last cluster.Etcd) (cluster.Etcd, error) {
	got, err := c.members(ctx)
	now, try := last, last.Members
	if err == nil {
		now.ID = clusterID(got.Header)
		now.Published = published(got.Members, c.cfg.CA != "" || c.cfg.Cert != "")
		if now.ID != last.ID {
			last.Members = nil // they were of another one
		}
		try = learnable(c.cfg.Endpoints, last.Members, now.Published)
	}
	now.Members = nil
	for _, at := range try {
		if c.uses(at) && err == nil || c.isOf(ctx, at, now.ID) {
			now.Members = append(now.Members, at)
		}
	}
	if err != nil && len(now.Members) == 0 {
		return last, err // all of them are away, and may be back
	}
	c.use(now.Members)
	return now, nil
}

func (c *Client) members(ctx context.Context) (*clientv3.MemberListResponse, error) {
	cl, err := c.conn()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.limit())
	defer cancel()
	return cl.MemberList(ctx)
}

// isOf tells whether a member of that etcd answers at an address.
func (c *Client) isOf(ctx context.Context, at, id string) bool {
	conf, err := c.config(at)
	if err != nil {
		return false
	}
	cl, err := clientv3.New(conf)
	if err != nil {
		return false
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	st, err := cl.Status(ctx, at)
	return err == nil && id != "" && clusterID(st.Header) == id
}

// clusterID names an etcd; empty: the answer does not tell, as that of etcd's own proxy to
// who asks for the members (findings/etcd-grpc-proxy-names-itself-at-loopback.sh).
func clusterID(h *pb.ResponseHeader) string {
	if h == nil {
		return ""
	}
	return fmt.Sprintf("%x", h.ClusterId)
}

func (c *Client) uses(at string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Contains(c.learned, at)
}

// use has further addresses be asked.
func (c *Client) use(learned []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if slices.Equal(c.learned, learned) {
		return
	}
	c.learned = slices.Clone(learned)
	if c.c != nil {
		c.c.SetEndpoints(c.endpoints()...)
	}
}

// endpoints are all addresses that are asked. It needs mu.
func (c *Client) endpoints() []string { return slices.Concat(c.cfg.Endpoints, c.learned) }

// outdated says what is to be written where the source names who is no member of etcd; empty:
// all is well, or nobody can tell. A name that no member publishes, as that of a proxy, is
// good as long as somebody answers there.
func (c *Client) outdated(is cluster.Etcd) string {
	if len(is.Members) == 0 {
		return ""
	}
	var gone []string
	for _, at := range c.cfg.Endpoints {
		if slices.Contains(is.Published, at) {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), reachLimit)
		if reachOne(ctx, at, nil) != nil {
			gone = append(gone, at)
		}
		cancel()
	}
	if len(gone) == 0 {
		return ""
	}
	verb := "is"
	if len(gone) > 1 {
		verb = "are"
	}
	return fmt.Sprintf("etcd has moved: %s of the source %s no member of it any more; it is asked at %s, which this host has learned; write: --source %s%s%s",
		strings.Join(gone, ", "), verb, strings.Join(is.Members, ", "), Scheme, strings.Join(is.Published, ","), c.cfg.Prefix)
}

// learns keeps the addresses of etcd's members known, also over the end of this process.
func (m *Member) learns(ctx context.Context) {
	known := m.mirror.Etcd()
	for said := ""; ctx.Err() == nil; {
		is, err := m.client.learn(ctx, known)
		if err != nil {
			m.Log.Debug("cannot look which members etcd has", "err", err)
		}
		if !slices.Equal(is.Members, known.Members) {
			m.Log.Info("members of etcd that the source does not name are asked, too", "members", strings.Join(is.Members, ","))
		}
		if !is.Equal(known) {
			if err := m.mirror.SaveEtcd(is); err != nil {
				m.Log.Warn("where etcd is now cannot be kept: after a restart this host asks the source alone", "err", err)
			}
			known = is
		}
		text := m.client.outdated(known)
		if text != "" && text != said {
			m.Log.Warn(text)
		}
		said = text
		m.mu.Lock()
		m.outdated = text
		m.mu.Unlock()
		wait := m.nextRelist()
		if err != nil {
			wait = min(wait, around(5*time.Second))
		}
		pause(ctx, wait)
	}
}

// Advice is what an operator is to change about how this host asks etcd; empty: nothing.
func (m *Member) Advice() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.outdated
}

package certs

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/mholt/acmez/v3/acme"
)

// Ways are how the gate can be asked: it has plain listeners, listeners with TLS, or
// both.
type Ways struct{ Plain, TLS bool }

// errElsewhere tells that another server answers by the name.
var errElsewhere = errors.New("another server answers")

// reachLimit is how long one question of ours may take.
const reachLimit = 10 * time.Second

// reach asks for the name from here as the authority will. An error that is
// errElsewhere, or of a name server, is certain: the name does not point here. Any other
// may be of this network: some routers do not lead back those who are inside.
func (k *Keeper) reach(ctx context.Context, host string, ways Ways) error {
	ctx, cancel := context.WithTimeout(ctx, 2*reachLimit)
	defer cancel()
	token := rand.Text()
	told := acme.Challenge{Identifier: acme.Identifier{Type: "dns", Value: host}, Token: token, KeyAuthorization: token + "." + rand.Text()}
	var errs []error
	for _, way := range []struct {
		can  bool
		kind string
		try  func(context.Context, *Challenge) error
	}{{ways.Plain, acme.ChallengeTypeHTTP01, k.reachPlain}, {ways.TLS, acme.ChallengeTypeTLSALPN01, k.reachTLS}} {
		if !way.can {
			continue
		}
		told.Type = way.kind
		c, err := challengeOf(&told)
		if err == nil {
			err = k.Challenges.Present(ctx, c)
		}
		if err != nil {
			return &gateError{err}
		}
		err = way.try(ctx, c)
		k.Challenges.CleanUp(c)
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// gateError tells that the gate cannot be told what to answer.
type gateError struct{ err error }

func (e *gateError) Error() string { return "the gate does not answer challenges: " + e.err.Error() }
func (e *gateError) Unwrap() error { return e.err }

func (k *Keeper) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if k.Dial != nil {
		return k.Dial(ctx, network, addr)
	}
	return (&net.Dialer{}).DialContext(ctx, network, addr)
}

func (k *Keeper) reachPlain(ctx context.Context, c *Challenge) error {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Host+c.Path, nil)
	if err != nil {
		return err
	}
	// As an authority does: it follows whoever leads on, and believes any certificate.
	t := &http.Transport{DisableKeepAlives: true, DialContext: k.dial, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer t.CloseIdleConnections()
	resp, err := (&http.Client{Transport: t}).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || string(b) != c.Answer {
		return fmt.Errorf("%w: http://%s%s returns status %d instead of the gate's answer", errElsewhere, c.Host, challengePath, resp.StatusCode)
	}
	return nil
}

func (k *Keeper) reachTLS(ctx context.Context, c *Challenge) error {
	ctx, cancel := context.WithTimeout(ctx, reachLimit)
	defer cancel()
	want, err := tls.X509KeyPair(c.Cert, c.Key)
	if err != nil {
		return err
	}
	raw, err := k.dial(ctx, "tcp", net.JoinHostPort(c.Host, "443"))
	if err != nil {
		return err
	}
	defer raw.Close()
	conn := tls.Client(raw, &tls.Config{ServerName: c.Host, NextProtos: []string{"acme-tls/1"}, InsecureSkipVerify: true})
	if err := conn.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%w: %s at port 443: %w", errElsewhere, c.Host, err)
	}
	if peers := conn.ConnectionState().PeerCertificates; len(peers) == 0 || !peers[0].Equal(want.Leaf) {
		return fmt.Errorf("%w: %s at port 443 presents a different certificate than the gate does", errElsewhere, c.Host)
	}
	return nil
}

package certs

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/mholt/acmez/v3/acme"
)

// trouble is why something came to nothing, as an operator is told.
type trouble struct {
	what, next string
	notBefore  time.Time // the authority wants nothing before; zero: it has not said
}

// clean makes what others have sent fit for one line of a terminal.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 400 {
		s = string(r[:399]) + "…"
	}
	return s
}

// explain says why an order came to nothing.
func explain(err error, directory string, now time.Time) trouble {
	problem, isProblem := errors.AsType[acme.Problem](err)
	_, isUnknown := errors.AsType[x509.UnknownAuthorityError](err)
	setup, isSetup := errors.AsType[*setupError](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	_, isNet := errors.AsType[net.Error](err)
	switch {
	case isSetup:
		return trouble{what: clean(setup.Error()), next: "check ca in the acme block, and the data directory"}
	case isProblem:
		return explainProblem(&problem, directory, now)
	case isUnknown:
		return trouble{what: "the server of the authority " + directory + " is not trusted: " + clean(err.Error()),
			next: "set ca in the acme block to the file of the root certificate that signs its server"}
	case isDNS:
		return trouble{what: fmt.Sprintf("the authority %s is not found: %s", directory, clean(dns.Error())),
			next: "check directory in the acme block, and the name servers of this machine (/etc/resolv.conf)"}
	case errors.Is(err, context.DeadlineExceeded):
		return trouble{what: "the authority " + directory + " did not answer in time",
			next: "check its status page, and whether this machine can reach it"}
	case isNet:
		return trouble{what: "the authority " + directory + " cannot be reached: " + clean(err.Error()),
			next: "check whether this machine may connect to it"}
	}
	if strings.Contains(err.Error(), ": HTTP 429") { // without the document that says more
		return trouble{what: "the authority accepts no more orders for now: " + clean(err.Error()), next: "nothing to do but wait", notBefore: now.Add(time.Hour)}
	}
	return trouble{what: clean(err.Error()), next: "check directory in the acme block, and the log of the authority"}
}

const reachable = "point the A and AAAA records of the name to this machine, and make its ports 80 and 443 reach the gate from the internet"

func explainProblem(p *acme.Problem, directory string, now time.Time) trouble {
	details := []string{clean(p.Detail)}
	for _, sub := range p.Subproblems {
		details = append(details, clean(sub.Detail))
	}
	detail := strings.Join(details, "; ")
	kind := p.Type[strings.LastIndexByte(p.Type, ':')+1:]
	_, ofName := p.Resource.(acme.Authorization) // the order was taken, the name was not validated
	switch {
	case kind == "rateLimited" || p.Status == http.StatusTooManyRequests:
		t := trouble{what: "the authority accepts no more orders for now: " + detail, next: "nothing to do but wait", notBefore: now.Add(time.Hour)}
		if at, ok := retryAfter(p.Detail); ok {
			t.notBefore = at
		}
		return t
	case kind == "unauthorized", kind == "connection", kind == "dns", kind == "tls", kind == "incorrectResponse":
		return trouble{what: "the authority cannot reach this gate by the name: " + detail, next: reachable}
	case kind == "caa":
		return trouble{what: "the CAA records of the domain do not allow this authority: " + detail, next: "add the authority to the CAA records of the domain"}
	case kind == "rejectedIdentifier":
		return trouble{what: "the authority does not issue a certificate for this name: " + detail, next: "give the app a tls block with files of its own, or take the name out of hosts"}
	case kind == "externalAccountRequired":
		return trouble{what: "the authority requires an existing account: " + detail, next: "set directory in the acme block to another authority"}
	case kind == "invalidContact", kind == "unsupportedContact":
		return trouble{what: "the authority rejects the email address: " + detail, next: "write another email in the acme block"}
	case kind == "userActionRequired":
		return trouble{what: "the authority has new terms of service: " + detail, next: "read and accept them: " + clean(p.Instance)}
	case p.Status >= 500 || kind == "serverInternal":
		return trouble{what: "the authority " + directory + " has an internal problem: " + detail, next: "nothing to do but wait"}
	}
	if ofName { // Pebble 2.10 calls a name server that it cannot ask malformed
		return trouble{what: "the authority cannot validate the name: " + detail + " (" + clean(kind) + ")", next: reachable}
	}
	return trouble{what: "the authority refuses: " + detail + " (" + clean(kind) + ")", next: "check directory and email in the acme block"}
}

// Authorities say in words until when they want nothing (Boulder does).
var retryText = regexp.MustCompile(`retry after (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)`)

func retryAfter(detail string) (time.Time, bool) {
	m := retryText.FindStringSubmatch(detail)
	if m == nil {
		return time.Time{}, false
	}
	at, err := time.Parse(time.DateTime, strings.Replace(m[1], "T", " ", 1))
	return at, err == nil
}

// setupError is of this machine.
type setupError struct{ err error }

func (e *setupError) Error() string { return e.err.Error() }
func (e *setupError) Unwrap() error { return e.err }

// errNotHere tells that a check has found nobody, or somebody else, by the name.
var errNotHere = errors.New("the name does not point here")

type notHereError struct {
	host string
	err  error
}

func (e *notHereError) Error() string        { return errNotHere.Error() + ": " + e.err.Error() }
func (e *notHereError) Unwrap() error        { return e.err }
func (e *notHereError) Is(target error) bool { return target == errNotHere }

// certain tells that a check has found out what is so for the whole world.
func certain(err error) bool {
	dns, isDNS := errors.AsType[*net.DNSError](err)
	return errors.Is(err, errElsewhere) || isDNS && dns.IsNotFound
}

func explainReach(err error) trouble {
	e, _ := errors.AsType[*notHereError](err)
	dns, isDNS := errors.AsType[*net.DNSError](err)
	switch {
	case isDNS && dns.IsNotFound:
		return trouble{what: "the name " + e.host + " has no address: not ordering a certificate", next: "give it A and AAAA records that point to this machine"}
	case isDNS:
		return trouble{what: "the address of " + e.host + " is not known: " + clean(dns.Error()), next: "check the name servers of this machine (/etc/resolv.conf)"}
	case errors.Is(err, errElsewhere):
		return trouble{what: "the name points elsewhere: " + clean(e.err.Error()) + "; not ordering a certificate",
			next: "point its A and AAAA records to this machine, and the ports 80 and 443 of those addresses to the gate"}
	}
	return trouble{what: "nothing answers at the name: " + clean(e.err.Error()) + "; not ordering a certificate",
		next: "make the ports 80 and 443 of its addresses reach the gate; check the firewall"}
}

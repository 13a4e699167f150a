package bridge

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Certificates are those of one app for connections that were made to different names
// and places. They may change while it serves.
type Certificates struct {
	// Open opens their files.
	Open func(name string) (*os.File, error)
	// Log takes a line for the app's log.
	Log func(line string)

	mu      sync.Mutex             // guards what follows
	all     []chosen               // the best ones first
	configs map[string]*tls.Config // by place: each keeps the keys of its session tickets
	told    time.Time              // when it was said last that there is none
}

// Choice is one certificate, and what it is for.
type Choice struct {
	Cert, Key string   // files
	Hosts     []string // names, some as "*." and a name; nil: any
	Place     string   // empty: any
}

type chosen struct {
	Choice
	read *Certificate
}

// Use takes over others, the best ones first. Those that it had stay read. One that
// cannot be read is said, and looked for again.
func (c *Certificates) Use(choices []Choice) {
	c.mu.Lock()
	had := map[[2]string]*Certificate{}
	for _, a := range c.all {
		had[[2]string{a.Cert, a.Key}] = a.read
	}
	var lines []string
	all := make([]chosen, 0, len(choices))
	for _, choice := range choices {
		id := [2]string{choice.Cert, choice.Key}
		read := had[id]
		if read == nil {
			var err error
			read, err = watchCertificate(choice.Cert, choice.Key, c.Open)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				lines = append(lines, err.Error()+"; it is used as soon as both files are there")
			case err != nil:
				lines = append(lines, err.Error()+"; "+NextForPair(err))
			}
			had[id] = read
		}
		all = append(all, chosen{choice, read})
	}
	c.all = all
	c.mu.Unlock()
	for _, line := range lines {
		c.Log(line)
	}
}

// Config is the configuration of connections that were made at a place.
func (c *Certificates) Config(place string) *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if config := c.configs[place]; config != nil {
		return config
	}
	config := configOf(func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return c.choose(place, hello), nil })
	if c.configs == nil {
		c.configs = map[string]*tls.Config{}
	}
	c.configs[place] = config
	return config
}

// choose finds the certificate for a client: the first that it takes for the name that
// it asks for, else the first that is meant for that name, else the first. nil: there is
// none, and it is told so by an alert.
func (c *Certificates) choose(place string, hello *tls.ClientHelloInfo) *tls.Certificate {
	c.mu.Lock()
	all := c.all
	c.mu.Unlock()
	var meant, first *tls.Certificate
	for _, a := range all {
		if a.Place != "" && a.Place != place {
			continue
		}
		pair, _ := a.read.get(c.Log)
		if pair == nil {
			continue
		}
		if hello.ServerName != "" && hello.SupportsCertificate(pair) == nil {
			return pair
		}
		if meant == nil && isFor(a.Hosts, hello.ServerName) {
			meant = pair
		}
		if first == nil {
			first = pair
		}
	}
	switch {
	case meant != nil:
		return meant
	case first != nil:
		return first
	}
	c.mu.Lock()
	tell := time.Since(c.told) > time.Minute
	if tell {
		c.told = time.Now()
	}
	c.mu.Unlock()
	if tell {
		c.Log("a client that asks for " + strconv.Quote(hello.ServerName) + " by TLS is refused: no certificate can be used")
	}
	return nil
}

// isFor tells whether a name is one of those that a certificate is for.
func isFor(hosts []string, name string) bool {
	if hosts == nil {
		return true
	}
	name = strings.ToLower(name)
	_, parent, _ := strings.Cut(name, ".")
	for _, h := range hosts {
		if h == name || parent != "" && h == "*."+parent {
			return true
		}
	}
	return false
}

#!/usr/bin/env bash
# github.com/mholt/acmez/v3 v3.1.7, the client below Caddy and certmagic
#
# Guess: a certificate authority that answers its directory once with 503 and
# Retry-After: 1, as what stands before one does in a restart, is asked again a second
# later; a 503 is for a moment by its definition.
# What happens: it depends on the type of the body. With application/problem+json it is
# asked again after a quarter of a second, whatever Retry-After says, and the client gets
# on. With a page of HTML or plain text, which is what balancers and caches send, the
# first answer is the last: an error, one request.
# Who is hurt: who orders a certificate by the library itself, without a loop of his own
# around it: the authority's busy second is the end of his order.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/mholt/acmez/v3/acme"
)

// ask has a server that is busy once, with a body of that type; it prints how often the
// directory was asked for and what the client made of it.
func ask(kind, body string) {
	asked := 0
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	mux.HandleFunc("/directory", func(w http.ResponseWriter, _ *http.Request) {
		if asked++; asked == 1 {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprint(w, body)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"newNonce":"%[1]s/n","newAccount":"%[1]s/a","newOrder":"%[1]s/o"}`, server.URL)
	})
	client := acme.Client{Directory: server.URL + "/directory"}
	_, err := client.GetDirectory(context.Background())
	said := "good"
	if err != nil {
		_, said, _ = strings.Cut(err.Error(), "HTTP ")
		said = "error " + strings.TrimSpace(said)
	}
	fmt.Printf("asked %d, %s\n", asked, said)
}

func main() {
	ask("application/problem+json", `{"type":"urn:ietf:params:acme:error:serverInternal","detail":"busy"}`)
	ask("text/plain", "busy")
}
GO
modules github.com/mholt/acmez/v3@v3.1.7
./probe >seen
expect 'a problem document' 'asked 2, good' "$(sed -n 1p seen)"
expect 'plain text' 'asked 1, error 503: busy' "$(sed -n 2p seen)"

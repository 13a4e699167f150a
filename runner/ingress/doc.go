// Package ingress is what the ingresses of a master have in common: HTTP/1
// (runner/httpserver), TLS and HTTP/2 (runner/bridge) and mongrel2 (runner/mongrel2/link).
//
// Env is handed to each of them instead of the others: the loop and the pool, the limits
// of a request, which proxies are trusted, where what is too large for memory goes, and
// which descriptors are kept for workers and control. None of them knows another.
package ingress

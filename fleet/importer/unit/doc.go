// Package unit reads NGINX Unit's configuration: listeners, routes and applications.
package unit

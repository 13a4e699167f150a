// Package etcdtest runs real etcd servers for tests.
package etcdtest

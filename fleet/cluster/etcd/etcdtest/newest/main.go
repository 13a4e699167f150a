// Etcd of the release that go.mod names, for tests beside the one of Debian. It is a
// module of its own, so that what a server needs is none of the product's.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }

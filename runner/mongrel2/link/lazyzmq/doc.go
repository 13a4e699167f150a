// Package lazyzmq keeps libzmq out of processes that do not use it.
//
// A program that is linked with libzmq maps it and the fourteen libraries
// behind it (C++, Kerberos, PGM, NORM, sodium) at its start. That is 3.5 MB of
// private memory, more than the rest of a master, and most masters have no
// mongrel2 socket.
//
// This package therefore defines the functions of libzmq that pebbe/zmq4 calls
// (shim.c). Its definitions win over those of the library, the linker leaves
// the library out (--as-needed), and Load opens it when the first link does.
// Before that the functions fail with ENOSYS, save for the two that zmq4 calls
// in its init: zmq_version answers with the version of the header, and
// zmq_ctx_new with a placeholder. So zmq4's default context is never usable:
// make one with zmq4.NewContext, after Load.
package lazyzmq

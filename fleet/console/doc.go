// Package console is a page to look at: what status, plan, logs and deploys tell, for
// a browser, with the same words and numbers, from the same data.
//
// # Pages
//
// Every page is made on the server by html/template and works without JavaScript. With
// it an open page is kept fresh: one stream of server-sent events for all tabs of a
// browser says that something is new, and a tab that can be seen asks for the parts that
// it shows, as the templates make them. morphdom, a module from npm that make brings and
// the program carries, changes on the page what is another thing now and nothing else. A
// program that was built without it serves the same pages, which browsers load anew. While
// nobody looks the console has one goroutine that accepts connections, and no timer: what
// it knows of the last 24 hours the masters have said with the signs of life that the
// daemon asks them for anyway (history).
//
// # Who may look
//
// On a unix socket: who may open it, the owner of the fleet and the admin group, as
// the control socket's users may; there the file's mode is the guard, and a proxy in
// front of it answers for whom it lets through, or says who it is where it has the
// secret of a file that gives each a role. On a loopback address everybody on
// the machine could connect, so nobody is let in without a session: the command
// wsgid-fleet console gets a code over the control socket, prints it in the fragment
// of a URL, which browsers keep to themselves, and the page posts it once. The
// session is a signed cookie; its key lies in the state directory, so it outlives the
// daemon but not the machine. A viewer sees all and changes nothing; an operator may
// do what the forms offer. On a unix socket for viewers everybody is one whom the file's
// mode lets in. Other addresses than these two kinds are refused: there is
// no TLS here.
//
// Cookies do not tell ports of one host apart, not even those with the __Host- prefix,
// which needs TLS besides: a page of another user on another port of the same loopback
// address, if it is opened in the same browser, is sent the cookie too. It is of no use
// there: a session is bound to the user whose process has opened it, and the kernel
// tells whose process is at the other end of a connection. Through ssh -L that is the
// user who is logged in by ssh; through a proxy on the loopback address it is the
// proxy's for all, so that a proxy belongs before the unix socket.
//
// # Guards
//
// In this order: the Host header is a loopback literal with our port, or a configured
// name (against rebinding of names); what another site's page asks for is refused by
// Sec-Fetch-Site and Origin; then the session; then, for a post, the role and a token
// of the form. Everything goes out with a policy that allows nothing but our own
// files. What apps have written is text: control characters and escape sequences are
// taken out, the template escapes the rest. Secrets are masked where status, plans and
// logs are made, not here.
//
// The package knows the fleet by the interface Fleet; package main puts it into the
// daemon.
package console

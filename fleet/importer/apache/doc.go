// Package apache reads what Apache with mod_wsgi is configured with: virtual hosts,
// WSGIScriptAlias, WSGIDaemonProcess and what belongs to them; and the command line of
// mod_wsgi-express, which makes the same directives of its options.
package apache

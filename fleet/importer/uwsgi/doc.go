// Package uwsgi reads uWSGI's configurations as it does: five formats, placeholders,
// logic of its own (if-env, for), includes; and the folders of its Emperor. Options are
// resolved first (config), and then made facts (reader).
package uwsgi

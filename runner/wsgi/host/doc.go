// Package host holds the Python side of the worker link: the script that a
// worker runs, and package wsgid, which loads the application, serves it and
// answers to the names that plugins for wsgid 0.7 import. It needs CPython 3.8
// or newer and nothing but its standard library.
//
// The files are part of the binary. Extract writes them to a directory of the
// state directory, one for each version of the files (Digest): an upgrade does not
// change the files under a running worker. Under root no worker of another user can
// write there, so Compile puts the bytecode beside them, and what one app does never
// runs in another one.
//
// # Files
//
//	wsgid_worker.py      the script: PYTHON -u wsgid_worker.py APP; wsgid_unfit.py:
//	                     the answer of a Python that cannot run it
//	wsgid/worker.py      a worker's life
//	wsgid/link.py        messages, see package wsgi
//	wsgid/serve.py       the loop, the path of every request
//	wsgid/response.py    PEP 3333's side of a response
//	wsgid/headers.py     its checks, with a message for each mistake
//	wsgid/loading.py     finds the application; django_project.py,
//	                     django_loader.py: Django, frameworks of its make,
//	                     django.json
//	wsgid/plugins.py     wsgid 0.7's plugins; filters.py: its request filters
//	wsgid/failure.py     what went wrong, in words; closed.py: what keeps the user out
//	wsgid/template.py    preload: workers are forked from it; sharing.py: what it must
//	                     not have open or locked then; apart.py: what a worker does in
//	                     its own way from then on; ending.py: what the template alone
//	                     does at its end
//	wsgid/core.py conf.py loaders/ interfaces/ and plugnplay.py
//	                     the names that plugins import
package host

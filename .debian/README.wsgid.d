One file NAME.hcl for each application, or several in one file. The least:

    app "hello" {
      path     = "/srv/hello"
      wsgi_app = "hello:application"
      sockets {
        http { listen = "127.0.0.1:8000" }
      }
    }

The code lies in /srv/hello/app, here as hello.py. Saving the file is enough:
the service follows edits. "wsgid-fleet new NAME PATH" writes such a file for a
checkout, with a reason for each line. To look first:

    wsgid-fleet validate     what is wrong with the files, and where
    wsgid-fleet plan         what a change would do
    wsgid-fleet status       what runs

wsgid.d(5) describes the language, /usr/share/doc/wsgid-fleet/examples/specs
has specs of many kinds. Files that do not end in .hcl or .hcl.json are ignored.

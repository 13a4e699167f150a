def application(environ, start_response):
    page = '<link rel="stylesheet" href="/static/site.css"><h1>shop</h1><p>You asked for %s.</p>\n'
    body = (page % environ["HTTP_HOST"]).encode("latin-1")
    start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(body)))])
    return [body]

import time


def application(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.25)
    if environ["PATH_INFO"] == "/broken":
        raise ValueError("this page is broken")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello\n"]

from os.path import join

import pyroutes_settings as settings
from pyroutes import Response, route

with open(join(settings.TEMPLATE_DIR, "note.txt"), encoding="utf-8") as f:
    TEMPLATE = f.read()


@route("/")
def index(request):
    return Response("Ask for /note/SOMETHING.\n")


@route("/note")
def note(request, text="nothing"):
    return Response(TEMPLATE % text)

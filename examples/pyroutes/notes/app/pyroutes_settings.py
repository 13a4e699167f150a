from os.path import dirname, join

TEMPLATE_DIR = join(dirname(__file__), "templates")

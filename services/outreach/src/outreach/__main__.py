"""`python -m outreach`: serve until SIGTERM."""

from cme_kit.app import serve

from outreach.app import build
from outreach.settings import Settings

if __name__ == "__main__":
    settings = Settings.load()
    serve(build(settings), settings)

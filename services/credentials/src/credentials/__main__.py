"""Serve credentials: `python -m credentials`."""

from cme_kit.app import serve

from credentials.app import build
from credentials.settings import Settings

if __name__ == "__main__":
    settings = Settings.load()
    serve(build(settings), settings)

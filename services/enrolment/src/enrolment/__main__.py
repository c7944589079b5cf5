"""Serve enrolment: `python -m enrolment`."""

from cme_kit.app import serve

from enrolment.app import build
from enrolment.settings import Settings

if __name__ == "__main__":
    settings = Settings.load()
    serve(build(settings), settings)

"""Public pages."""

from cme_kit.app import service_router

router = service_router("pages", "/courses")

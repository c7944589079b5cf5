"""All event modules, imported: after this every event is registered."""

from cme_contracts import assessment, credentials, curriculum, enrolment, gateway, outreach

__all__ = ["assessment", "credentials", "curriculum", "enrolment", "gateway", "outreach"]

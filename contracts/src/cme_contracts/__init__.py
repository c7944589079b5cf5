"""The contracts of CME: every event declared once, with its envelope."""

from cme_contracts.envelope import CloudEvent
from cme_contracts.registry import Event, EventType, all_event_types, event, event_type_of, find_event_type

__all__ = ["CloudEvent", "Event", "EventType", "all_event_types", "event", "event_type_of", "find_event_type"]

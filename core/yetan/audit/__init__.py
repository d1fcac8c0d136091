"""Audit: who did, looked at or was refused what, when and from where; apart from events and from erasable rows."""

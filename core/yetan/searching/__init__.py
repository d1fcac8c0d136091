"""Searching: feeding the index from events, answering queries, and the database's own answer when the index cannot."""

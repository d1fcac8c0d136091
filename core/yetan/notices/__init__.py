"""Notices: an inbox for everybody with an account. Channels (SMS, e-mail) come as plugins."""

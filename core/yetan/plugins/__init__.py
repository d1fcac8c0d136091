"""Plugins: what one may declare, and how the enabled ones are found, ordered, checked and called."""

"""Files: uploads, re-encoded and stored under names of our own."""

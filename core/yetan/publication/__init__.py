"""Publication: the reviewed, masked public face of an issue."""

"""Access: sessions and signing in, roles and permissions, scope, and what is visible to whom."""

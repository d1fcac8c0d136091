"""Issues: what residents raise, and the loop from report to strike-off (002-B)."""

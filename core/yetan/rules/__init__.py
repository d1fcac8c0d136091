"""Rules: typed settings that differ from town to town, with inheritance down the tree and an effective date."""

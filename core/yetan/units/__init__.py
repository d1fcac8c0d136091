"""Units: the tree of city, county, township, village, grid, and the departments attached to it."""

"""Web: requests, forms, templating, errors and the wrapping of every route."""

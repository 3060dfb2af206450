"""Reports: what a fit, a sweep or a comparison found, as one page that needs no other file."""

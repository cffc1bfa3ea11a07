"""The tests. A package, so that `tests.doubles` can be imported by them."""

"""One module per wrapped library or guarded access; every room may use them."""

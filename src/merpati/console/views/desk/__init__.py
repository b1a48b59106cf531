"""The desk's pages: each reads what is asked, calls one action, shows one template."""

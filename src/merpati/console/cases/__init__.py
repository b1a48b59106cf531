"""A case as pages show it: where it stands, its timeline, its forms; of both sides' pages."""

"""What plans keep, one file for each kind of plan."""

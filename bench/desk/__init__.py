"""The desk at its full size: 100,000 cases with 1,000,000 entries, and how long its pages take."""

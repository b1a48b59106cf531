"""Our own resources under `/api/merpati/v1`, one file each; all listed in `api/urls.py`."""

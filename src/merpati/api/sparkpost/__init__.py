"""SparkPost-compatible resources under `/api/v1`, one file each; all listed in `api/urls.py`."""

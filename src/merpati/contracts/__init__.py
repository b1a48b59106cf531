"""What service and engine exchange: batches, sending policy and events, all frozen data without
code; and the one question that the engine asks (`suppressions.py`)."""

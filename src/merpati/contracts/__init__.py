"""The frozen data that service and engine exchange: batches, sending policy, events. No code."""

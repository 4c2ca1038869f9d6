"""What surrounds one mounted app: bulkhead, deadline, body limit, barrier."""

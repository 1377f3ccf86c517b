"""What answers requests: models in process, servers, and stored answers."""

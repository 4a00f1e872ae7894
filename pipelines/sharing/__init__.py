"""What other agencies' and platforms' systems read over HTTP: figures per role, and a stream."""

"""First stage: samples of one partition into minutes, indicators per session, and partials."""

"""Example integrations: a platform's back end by HTTP, and a batch from another language."""

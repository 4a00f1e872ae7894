"""Levels and routing: the policy as data, and its pure evaluation."""

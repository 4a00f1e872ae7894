"""`livewatch producer-check`: a producer that cannot leak, cannot lose and cannot impersonate."""

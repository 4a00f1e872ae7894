"""`make detection-report`: what the complaint-spike detector finds, misses and cries wolf about."""

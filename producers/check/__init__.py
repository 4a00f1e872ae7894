"""`livewatch-push check FILE`: does a file follow the contract, and if not, where?"""

"""What an operator does to a running system: look, back up, restore, erase, move."""

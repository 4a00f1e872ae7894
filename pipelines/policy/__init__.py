"""The routing policy as it is read from files: the shipped default, and cases that test one."""

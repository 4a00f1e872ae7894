"""Named accounts: who may speak to the regulator's side, in which role."""

"""How much one caller may ask, and one tenant may have."""

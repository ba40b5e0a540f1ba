"""Where does it come from? The only part that talks to a network."""

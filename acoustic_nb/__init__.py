"""acoustic_nb."""

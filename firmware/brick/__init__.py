"""The appliance: the MicroPython firmware of a brick."""

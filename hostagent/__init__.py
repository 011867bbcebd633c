"""The host agent: signs, stores and forwards what the bricks decided. Runs on a Raspberry Pi."""

"""A market stall at work: controller and host as processes of their own, bricks in the virtual kit, customers at the readers."""

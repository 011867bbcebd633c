"""The one command, `stallmark`; its groups live beside their programs and load lazily."""

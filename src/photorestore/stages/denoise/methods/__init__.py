"""Methods that remove noise without the stage's usual network, each in a module of its own."""

"""The production stack on one machine, without containers: real servers, each in a process of its own."""

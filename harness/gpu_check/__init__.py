"""What a device does with the real steps: equality first, then speed and memory."""

"""One step: passes over packed rows, the engine, the schedule."""

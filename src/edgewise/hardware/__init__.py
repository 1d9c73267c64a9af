"""The machines: a catalogue of those one may plan for, a probe of this one, meters of its energy.

`catalogue` reads data files, `probe` reads /proc, /sys and /dev, `meters` reads sensors. Nothing here
knows what runs on a machine.
"""

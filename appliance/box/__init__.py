"""The box round the pedal: what only root may do on a Pi, and what sets it up.

Power, hotspot, updates, the root overlay, the installer's second half. Runs as root for moments, never while something
could block the sound; the three services ask for it through `wishes.py` and have no such rights themselves.

    /opt/appliance/versions/NAME/   a virtual environment with one version of this package, never changed once made
    /opt/appliance/current          → versions/NAME, what the units start
    /opt/appliance/previous         → versions/NAME, where a failed update goes back to
    /opt/appliance/trial/           there while a new version is on trial (`trial.py`)
    /etc/appliance/                 what the owner of the box may edit
    /var/lib/appliance/             library, presets, state: the panel's
    /run/appliance/                 where the processes meet; gone on reboot
"""

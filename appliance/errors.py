"""Every error the pedal names, and the exit code each ends a command with.

An error says what was found, what was wanted and what to do. Each is also the builtin a caller would expect, so that
`except ValueError` works for people who never read this file. The table in the README is made from `ExitCode`.
"""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """How a command or service ended. systemd and scripts act on these."""

    OK = 0
    INTERNAL = 1  # a bug: the traceback is the message
    USAGE = 2  # the command line was wrong (click's own code)
    BAD_FILE = 3  # a model, cabinet or audio file could not be used
    NO_DEVICE = 4  # the sound card is absent, busy or refused what was asked
    NO_STORAGE = 5  # the disk is full, read-only or damaged
    NOT_RUNNING = 6  # a process of the pedal that was needed does not answer
    NOT_INSTALLED = 7  # an optional part (ALSA, GPIO, torch) is missing
    NOT_READY = 8  # a check before the evening says no-go
    SYSTEM_REFUSED = 9  # a program of the system that was needed refused or failed


class ApplianceError(Exception):
    """Base of all errors a user can cause or cure. Printed as one sentence, never as a traceback."""

    exit_code = ExitCode.INTERNAL


class BadModelFile(ApplianceError, ValueError):
    """A file is not a model, is damaged, or breaks its own format."""

    exit_code = ExitCode.BAD_FILE


class UnsupportedModel(BadModelFile, NotImplementedError):
    """A sound model file of a kind (named in the message) that no engine here plays."""


class BadAudioFile(ApplianceError, ValueError):
    """An audio or impulse-response file can't be read or used."""

    exit_code = ExitCode.BAD_FILE


class BadDataSet(ApplianceError, ValueError):
    """A data set's manifest is wrong, or its takes don't belong together."""

    exit_code = ExitCode.BAD_FILE


class BadBundle(ApplianceError, ValueError):
    """An update bundle or a backup is unsigned, damaged, or not for this box."""

    exit_code = ExitCode.BAD_FILE


class DeviceError(ApplianceError, OSError):
    """The sound card is absent, busy or refused what was asked."""

    exit_code = ExitCode.NO_DEVICE


class StorageError(ApplianceError, OSError):
    """A file of the pedal's own could not be saved or read back whole."""

    exit_code = ExitCode.NO_STORAGE


class NotRunning(ApplianceError, ConnectionError):
    """A process of the pedal does not answer."""

    exit_code = ExitCode.NOT_RUNNING


class NotInstalled(ApplianceError, ImportError):
    """An optional part of the package is missing."""

    exit_code = ExitCode.NOT_INSTALLED


class SystemRefused(ApplianceError, RuntimeError):
    """A program of the system (systemctl, nmcli, …) is missing, failed or did not end; the message has its words."""

    exit_code = ExitCode.SYSTEM_REFUSED


class BadRequest(ApplianceError, ValueError):
    """A command over the socket or the command line asked for something that makes no sense."""

    exit_code = ExitCode.USAGE


class BadSettings(ApplianceError, ValueError):
    """`appliance.toml` can't be used as it stands; the message names the line and the key."""

    exit_code = ExitCode.USAGE


class NotFound(BadRequest, LookupError):
    """A model, cabinet or setting of that name does not exist."""


class NotAllowed(BadRequest, PermissionError):
    """A sound request that the pedal refuses, such as removing a factory model."""


class TooLarge(BadRequest):
    """A file or a request is bigger than the pedal takes."""

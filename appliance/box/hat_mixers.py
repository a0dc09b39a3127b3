"""What each HAT's mixer must be set to, so that the guitar comes in, the amp goes out, and nothing passes by the pedal.

Levels are 0 dB where the scale says which step that is. Names and steps are those of the kernel's drivers (pcm512x,
pcm186x through hifiberry_dacplusadcpro, da7213, wm8731, wm8960 under sound/soc) and, for the DA7213, of Raspberry Pi's
own state files for the Codec Zero. None of it was tried on the hardware.
"""

from __future__ import annotations

Setting = tuple[str, str]  # a control's name, and its value as `amixer cset` takes it


def _each(names: tuple[str, ...], value: str) -> tuple[Setting, ...]:
    return tuple((name, value) for name in names)


# The DAC of both HiFiBerry cards. Its other filter programs delay by 20 samples, this one by 4.
PCM512X: tuple[Setting, ...] = (
    ("DSP Program", "Low latency IIR with de-emphasis"),
    ("Deemphasis Switch", "off"),
    ("Auto Mute Switch", "off"),
    ("Analogue Playback Boost Volume", "0"),
    ("Analogue Playback Volume", "1"),
    ("Digital Playback Volume", "207"),
    ("Digital Playback Switch", "on"),
)

PCM186X: tuple[Setting, ...] = (
    ("ADC Left Input", "VINL1[SE]"),
    ("ADC Right Input", "VINR1[SE]"),
    ("ADC Mic Bias", "Mic Bias off"),
    ("PGA Gain Left", "0.0dB"),
    ("PGA Gain Right", "0.0dB"),
)

# In at AUX IN, out at the headphone (AUX OUT) socket.
DA7213: tuple[Setting, ...] = (
    *_each(("Mic 1 Switch", "Mic 2 Switch"), "off"),
    *_each(("Mixin Left Mic 1 Switch", "Mixin Left Mic 2 Switch", "Mixin Left Mixin Right Switch"), "off"),
    *_each(("Mixin Right Mic 1 Switch", "Mixin Right Mic 2 Switch", "Mixin Right Mixin Left Switch"), "off"),
    *_each(("Mixin Left Aux Left Switch", "Mixin Right Aux Right Switch"), "on"),
    ("Aux Volume", "53"),
    ("Aux Switch", "on"),
    ("Mixin PGA Volume", "3"),
    ("Mixin PGA Switch", "on"),
    ("ADC Volume", "112"),
    ("ADC Switch", "on"),
    *_each(("ADC Voice Mode Switch", "ALC Switch", "DAC Voice Mode Switch", "DAC EQ Switch", "DAC NG Switch"), "off"),
    ("DAI Left Source MUX", "ADC Left"),
    ("DAI Right Source MUX", "ADC Right"),
    ("DAC Left Source MUX", "DAI Input Left"),
    ("DAC Right Source MUX", "DAI Input Right"),
    ("DAC Volume", "112"),
    *_each(("Mixout Left Aux Left Switch", "Mixout Right Aux Right Switch"), "off"),
    *_each(("Mixout Left Mixin Left Switch", "Mixout Left Mixin Right Switch"), "off"),
    *_each(("Mixout Right Mixin Right Switch", "Mixout Right Mixin Left Switch"), "off"),
    *_each(("Mixout Left DAC Left Switch", "Mixout Right DAC Right Switch"), "on"),
    *_each(("AUX Jack Switch", "HP Jack Switch"), "on"),
    ("Headphone Volume", "57"),
    ("Headphone Switch", "on"),
)

WM8731: tuple[Setting, ...] = (
    ("Input Mux", "Line In"),
    ("Line Capture Switch", "on"),
    ("Capture Volume", "23"),
    ("Mic Boost Volume", "0"),
    ("Playback Deemphasis Switch", "off"),
    ("Output Mixer Line Bypass Switch", "off"),
    ("Output Mixer Mic Sidetone Switch", "off"),
    ("Output Mixer HiFi Playback Switch", "on"),
    ("Master Playback Volume", "121"),
)

WM8960: tuple[Setting, ...] = (
    *_each(("Left Boost Mixer LINPUT1 Switch", "Left Input Mixer Boost Switch"), "on"),
    *_each(("Right Boost Mixer RINPUT1 Switch", "Right Input Mixer Boost Switch"), "on"),
    ("Capture Volume", "23"),
    ("Capture Switch", "on"),
    ("ADC PCM Capture Volume", "195"),
    ("ALC Function", "Off"),
    ("Noise Gate Switch", "off"),
    ("3D Switch", "off"),
    ("Playback Volume", "255"),
    *_each(("Left Output Mixer LINPUT3 Switch", "Left Output Mixer Boost Bypass Switch"), "off"),
    *_each(("Right Output Mixer RINPUT3 Switch", "Right Output Mixer Boost Bypass Switch"), "off"),
    *_each(("Left Output Mixer PCM Playback Switch", "Right Output Mixer PCM Playback Switch"), "on"),
    ("Headphone Playback Volume", "121"),
)

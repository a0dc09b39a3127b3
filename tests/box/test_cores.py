"""The quiet core: what can be moved away is, what refuses stays, and one core is left to all."""

from __future__ import annotations

from pathlib import Path

from appliance.box import cores


def machine(root: Path, online: str, isolated: str = "", irqs: dict[int, str] | None = None) -> None:
    cpus = root / "sys/devices/system/cpu"
    cpus.mkdir(parents=True)
    (cpus / "online").write_text(f"{online}\n")
    (cpus / "isolated").write_text(f"{isolated}\n")
    for number in cores.parse_cores(online):
        frequency = cpus / f"cpu{number}/cpufreq"
        frequency.mkdir(parents=True)
        (frequency / "scaling_governor").write_text("ondemand\n")
        (frequency / "scaling_available_governors").write_text("ondemand performance \n")
    (root / "proc/irq").mkdir(parents=True)
    (root / "proc/irq/default_smp_affinity").write_text("f\n")
    for number, allowed in (irqs or {}).items():
        (root / f"proc/irq/{number}").mkdir()
        (root / f"proc/irq/{number}/smp_affinity_list").write_text(f"{allowed}\n")


def affinity(root: Path, irq: int) -> str:
    return (root / f"proc/irq/{irq}/smp_affinity_list").read_text().strip()


def test_interrupts_leave_the_isolated_core_and_it_runs_at_full_speed(tmp_path: Path) -> None:
    machine(tmp_path, "0-3", isolated="2", irqs={9: "0-3", 40: "2", 41: "1"})
    said = cores.quiet(tmp_path)
    assert [affinity(tmp_path, irq) for irq in (9, 40, 41)] == ["0,1,3", "0,1,3", "1"]
    governors = tmp_path / "sys/devices/system/cpu"
    assert (governors / "cpu2/cpufreq/scaling_governor").read_text() == "performance"
    assert (governors / "cpu0/cpufreq/scaling_governor").read_text() == "ondemand\n"
    assert (tmp_path / "proc/irq/default_smp_affinity").read_text() == "b"
    assert said == ["core 2 runs at full speed", "2 interrupts moved from core 2 to 0,1,3"]


def test_without_isolation_it_is_the_core_that_the_sound_will_take(tmp_path: Path) -> None:
    machine(tmp_path, "0-3", irqs={9: "0-3"})
    cores.quiet(tmp_path)
    assert affinity(tmp_path, 9) == "0,1,2"


def test_what_can_not_be_changed_is_no_reason_to_stop(tmp_path: Path) -> None:
    machine(tmp_path, "0-1", irqs={8: "0-1", 9: "0-1"})
    (tmp_path / "proc/irq/8/smp_affinity_list").unlink()
    (tmp_path / "proc/irq/8/smp_affinity_list").mkdir()  # reading and writing it fails
    for number in (0, 1):
        (tmp_path / f"sys/devices/system/cpu/cpu{number}/cpufreq/scaling_available_governors").write_text("ondemand\n")
    assert cores.quiet(tmp_path) == ["1 interrupts moved from core 1 to 0"]


def test_one_core_is_left_to_all(tmp_path: Path) -> None:
    machine(tmp_path, "0", irqs={9: "0"})
    assert "one core only" in cores.quiet(tmp_path)[0]
    assert affinity(tmp_path, 9) == "0"
    assert "one core only" in cores.quiet(tmp_path / "no sysfs")[0]

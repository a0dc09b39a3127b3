# make demo   play the pedal on the demo sound card and open its page
# make test   everything that is checked before a change lands, but for test-system and test-arm
# make test-system  the pedal installed in a booted Debian, emulated: ARCH=amd64|arm64 KERNEL=standard|rt CUTS=3 (as root)
# make test-arm  the engine as a Pi runs it: cross-compiled for each Pi's CPU, under the emulator
# make estimate-arm  counts anew what models take of each Pi (appliance/engine/pi_cost.json)
# make        this list
#
# Both install what is missing: system packages with apt where root or sudo allows, Python packages into .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q

SOURCES := $(wildcard appliance/engine/native/*.cpp appliance/engine/native/*.hpp appliance/engine/native/CMakeLists.txt)
CPP := $(shell git ls-files '*.cpp' '*.hpp' 2>/dev/null)

.PHONY: help demo test test-system test-arm estimate-arm lint format wheel clean

help:
	@sed -n 's/^# \(make.*\)/\1/p' Makefile

demo: $(VENV)/base.stamp
	@$(BIN)/appliance run --demo

test: lint
	$(BIN)/python -m pytest --ignore tests/arm --ignore tests/system -n auto --dist loadfile

ARCH ?= amd64
KERNEL ?= standard
test-system: export ARCH := $(ARCH)
test-system: export KERNEL := $(KERNEL)
test-system: $(VENV)/dev.stamp
	@./system/packages.sh build system $(if $(filter arm64,$(ARCH)),system-arm64)
	$(BIN)/python -m pytest tests/system

test-arm: $(VENV)/dev.stamp
	@./system/packages.sh arm
	$(BIN)/python -m pytest tests/arm

estimate-arm: $(VENV)/dev.stamp
	@./system/packages.sh arm estimate
	$(BIN)/python -m tests.arm.estimate appliance/engine/pi_cost.json

lint: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/clang-format --dry-run -Werror $(CPP)

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/clang-format -i $(CPP)

wheel: $(VENV)/base.stamp
	$(BIN)/python -m pip wheel -q --no-deps -w dist .

clean:
	rm -rf $(VENV) build dist

$(VENV)/bin/python:
	@./system/packages.sh build
	@$(PYTHON) -m venv $(VENV)

$(VENV)/base.stamp: $(VENV)/bin/python pyproject.toml constraints.txt $(SOURCES)
	@echo "Setting up: the first time this takes a few minutes."
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/bin/python pyproject.toml constraints.txt $(SOURCES)
	@./system/packages.sh build test
	@$(PIP) install -c constraints.txt -C cmake.define.APPLIANCE_WERROR=ON -e '.[dev]'
	@touch $@ $(VENV)/base.stamp

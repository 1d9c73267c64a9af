"""Configurations say everything to the compiler, in the command line's defaults where nothing else is asked."""

import json
from configparser import ConfigParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise.design.ethosu.configuration import (
    FAMILIES,
    Configuration,
    Feature,
    MemoryMode,
    Npu,
    Strategy,
    options_text,
    system_text,
    unlimited,
)
from edgewise.errors import BadConfiguration

NPUS = [Npu(family=family, macs=macs) for family, traits in FAMILIES.items() for macs in traits.macs]
configurations = st.builds(
    Configuration,
    npu=st.sampled_from(NPUS),
    memory_mode=st.sampled_from(MemoryMode),
    strategy=st.sampled_from(Strategy),
    arena_limit_bytes=st.integers(0, 1 << 32),
    system=st.sampled_from([traits.system for traits in FAMILIES.values()]),
    clock_hz=st.floats(1e6, 2e9),
    disabled=st.lists(st.sampled_from(Feature), unique=True).map(lambda found: tuple(sorted(found))),
)


def parsed(text: str) -> ConfigParser:
    parser = ConfigParser()
    parser.read_string(text)
    return parser


class TestNpu:
    @pytest.mark.parametrize("npu", NPUS, ids=str)
    def test_is_named_as_arm_names_it(self, npu: Npu) -> None:
        assert Npu.named(str(npu)) == npu

    @pytest.mark.parametrize("name", ["", "ethos-u55", "ethos-u55-512", "ethos-u95-32", "edgetpu-1", "ethos-u55-x"])
    def test_refuses_what_arm_does_not_make(self, name: str) -> None:
        with pytest.raises(BadConfiguration) as caught:
            Npu.named(name)
        assert caught.value.hint

    def test_there_are_eleven(self) -> None:
        assert len(NPUS) == 11


class TestTexts:
    @given(configurations)
    def test_every_setting_is_stated(self, configuration: Configuration) -> None:
        scheduler = parsed(options_text(configuration))["scheduler"]
        assert scheduler["optimize"] == configuration.strategy
        assert int(scheduler["arena_size_limit"]) == configuration.arena_limit_bytes
        assert set(filter(None, scheduler["disable_feature"].split("|"))) == set(configuration.disabled)
        system = parsed(system_text(configuration, "[Memory_Mode.Arms]\nx=1\n"))
        assert int(system["architecture"]["macs"]) * int(system["architecture"]["cores"]) == configuration.npu.macs
        assert system["vela"]["memory_mode_name"] == configuration.memory_mode
        assert "Memory_Mode.Arms" in system

    @given(configurations, st.floats(1e6, 2e9))
    def test_a_document_is_json_and_leaves_out_the_clock_alone(self, configuration: Configuration, hz: float) -> None:
        other = configuration.changed(clock_hz=hz)
        assert json.dumps(configuration.document()) == json.dumps(other.document())

    @given(configurations, configurations)
    def test_documents_tell_configurations_apart(self, one: Configuration, other: Configuration) -> None:
        same = one.changed(clock_hz=1.0) == other.changed(clock_hz=1.0)
        assert (one.document() == other.document()) is same


class TestDefault:
    def test_u55_shares_its_sram_without_a_limit(self) -> None:
        made = Configuration.default(Npu.named("ethos-u55-64"))
        assert made.memory_mode is MemoryMode.SHARED_SRAM
        assert made.arena_limit_bytes == unlimited(made.npu) == 1 << 32

    @pytest.mark.parametrize("name", ["ethos-u65-256", "ethos-u85-2048"])
    def test_larger_ones_have_a_cache(self, name: str) -> None:
        made = Configuration.default(Npu.named(name))
        assert made.memory_mode is MemoryMode.DEDICATED_SRAM
        assert made.arena_limit_bytes == 384 << 10

"""From the compiler's own report and database to a document. Runs in the child."""

from collections.abc import Mapping
from typing import Any

SRAM, DRAM = "sram", "dram"


def document_of(model: Any, tool: str) -> dict[str, Any]:
    """`model`, a CompiledTFLiteModel of ethosu.regor, as `Compiled.document` has it."""
    report = model.perf_report
    peaks = {str(name).lower(): int(memory.peakUsage) for name, memory in report.memories.items()}
    return {
        "cycles": int(report.totalCycles),
        "npu_cycles": int(report.npuCycles),
        "sram_bytes": peaks.get(SRAM, 0),
        "dram_bytes": peaks.get(DRAM, 0),
        "flash_bytes": len(model.model),
        "constant_bytes": int(report.readOnlyPeakUsage),
        "traffic": sorted((_traffic(m) for m in report.memories.values() if m.accesses), key=lambda t: t["memory"]),
        "npu_operators": int(report.npuOps),
        "cpu_operators": cpu_operators(model.opt_database.tables) if report.cpuOps else [],
        "macs": int(report.macCount),
        "tool": tool,
    }


def cpu_operators(tables: Mapping[str, Any]) -> list[str]:
    """Operators that are in no command stream of the NPU, nor fused into one that is: "Operator name" each."""
    queued = {row["optimised_id"] for row in _rows(tables["queue"])}
    fused = {row["id"] for row in _rows(tables["group"])}
    kinds = {row["id"]: row["operator"] for row in _rows(tables["source"])}
    return [
        f"{kinds.get(row['source_id'], row['operator'])} {row['name']}"
        for row in _rows(tables["perf"])
        if row["optimised_id"] not in queued and row["id"] not in fused
    ]


def _rows(table: Any) -> list[dict[str, str]]:
    return [dict(zip(table.header, row, strict=True)) for row in table.data]


def _traffic(memory: Any) -> dict[str, Any]:
    accesses = memory.accesses.values()
    return {
        "memory": str(memory.memoryName),
        "read_bytes": sum(int(access.bytesRead) for access in accesses),
        "written_bytes": sum(int(access.bytesWritten) for access in accesses),
    }

"""A campaign of llama.cpp with a job for each block on the made-up Slurm."""

from __future__ import annotations

import shutil

from slurm_case import hosts, in_blocks, records, tiny


def test_llama_cpp_is_measured_by_a_job_for_each_block(program, embedded_model, made_up):
    campaign = tiny(made_up.folder.parent / "llama_cpp")
    shutil.rmtree(campaign.folder / "models")
    (campaign.folder / "models").symlink_to(embedded_model.parent)
    engine = {"name": "llama_cpp", "binary_path": str(program("llama_cpp"))}
    campaign.config["benchmark"] |= {"model_path": f"models/{embedded_model.name}", "control": True}
    campaign.config["engines"] = [engine]
    result = in_blocks(campaign)
    assert result.status == 0, result.words
    found = records(campaign)
    assert found.keys() == {(name, block) for name in ("llama_cpp", "llama_cpp_control") for block in (1, 2)}
    assert {record["status"] for record in found.values()} == {"ok"}
    assert all(len(hosts(campaign, block)) == 1 for block in (1, 2))
    assert made_up.processes() == {}

"""DeepSpeed's configuration of a run, which is also written into the run folder for the reader."""

from typing import Any

from harness.costs.memory import BUCKET, SMALL_BUCKET
from harness.settings.spec import TrainingSpec

_SMALL_GROUP = 10_000_000
"""Numbers that ZeRO-3 updates together, and gathered ones that it keeps, on a CPU. There AdamW has
no fused kernel and makes three float32 tensors as large as what it updates, and all processes share
one memory. DeepSpeed's default is 10^9 for each."""


def deepspeed_config(training: TrainingSpec, devices: int, on_cpu: bool) -> dict[str, Any]:
    """Return the configuration for this many devices.

    The passes of a step are counted by the engine itself, since their number may change from step
    to step; DeepSpeed sees one.
    """
    share = training.batch_pairs // devices
    return {
        "train_batch_size": share * devices,
        "train_micro_batch_size_per_gpu": share,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": training.max_grad_norm or 0.0,
        "bf16": {"enabled": training.precision == "bfloat16"},
        "zero_optimization": _zero(training, on_cpu),
        "zero_allow_untested_optimizer": True,
        "zero_force_ds_cpu_optimizer": False,
        "steps_per_print": 2**31,
        "wall_clock_breakdown": False,
    }


def _zero(training: TrainingSpec, on_cpu: bool) -> dict[str, Any]:
    bucket = SMALL_BUCKET if on_cpu else BUCKET
    settings: dict[str, Any] = {
        "stage": training.zero_stage,
        # Gradients travel while backward goes on.
        "overlap_comm": not on_cpu,
        "reduce_bucket_size": bucket,
    }
    if training.zero_stage == 3:
        # The next layer's weights are fetched while one is computed.
        settings["stage3_prefetch_bucket_size"] = bucket
        if on_cpu:
            kept = ("stage3_max_live_parameters", "stage3_max_reuse_distance")
            settings |= dict.fromkeys(("sub_group_size", *kept), _SMALL_GROUP)
    else:
        settings["allgather_bucket_size"] = bucket
    # Pinned memory speeds up copies between CPU and GPU; without a GPU there are none.
    place = {"device": "cpu", "pin_memory": not on_cpu}
    if training.offload != "none":
        settings["offload_optimizer"] = place
    if training.offload == "optimizer_and_weights":
        settings["offload_param"] = place
    return settings

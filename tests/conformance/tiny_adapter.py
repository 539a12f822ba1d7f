"""A correct adapter in little code, and on request (--fault NAME) one that breaks a rule of the protocol.

Its model: the next id is five times the sum of all ids before it and of their number, modulo 97. Sampling adds a number
of the seed.
"""

import json
import math
import os
import struct
import sys
import time
from pathlib import Path

EXIT_STATUS = {"bad_spec": 2, "unsupported": 3}
SPEC_KEYS = {
    *("protocol", "launch", "model_dir", "weights", "dtype", "device", "threads", "max_seq_len", "cases"),
    *("warmup_iterations", "iterations", "load", "options", "logits_path", "stages"),
}
CAPABILITIES = {
    "devices": ["cpu"],
    "dtypes": ["f32"],
    "sampling": ["greedy", "temperature", "top_p"],
    "seed": True,
    "load_modes": ["closed", "open"],
    "max_concurrency": 3,
    "ignore_eos": True,
    "teacher_forcing": True,
    "logits": True,
}
MODEST = {"sampling": ["greedy"], "seed": False, "ignore_eos": False, "teacher_forcing": False, "logits": False}
"""What the adapters whose fault begins with `modest` have less of."""

VOCABULARY = 97


class RefusedError(Exception):
    """Ends the launch with an error event."""


class Adapter:
    def __init__(self, fault, spec_path, events_path):
        self.fault = fault
        self.spec_path = spec_path
        self.events = Path(events_path).open("ab", buffering=0)  # noqa: SIM115  open as long as the process
        self.capabilities = CAPABILITIES | (MODEST if fault.startswith("modest") else {})
        self.capabilities |= {"seed": fault != "unseeded_and_says_so"} if self.capabilities["seed"] else {}
        self.capabilities |= {"token_ids": False} if "ids_of_text" in fault else {}
        self.held = []
        self.requests = 0

    def emit(self, event, **content):
        """Append an event, as the fault distorts it."""
        entry = {"event": event, **content}
        if self.fault == "hello_late" and event == "hello":
            self.held.append(entry)
            return
        for line in self.distorted(entry):
            self.events.write(line if isinstance(line, bytes) else (json.dumps(line) + "\n").encode())
        if self.held and event == "load_start":
            self.events.write((json.dumps(self.held.pop()) + "\n").encode())

    def distorted(self, entry):
        change = DISTORTIONS.get(self.fault)
        return [entry] if change is None else change(entry)

    def read_spec(self):
        try:
            spec = json.loads(Path(self.spec_path).read_text(encoding="utf-8"))
        except ValueError as error:
            if self.fault == "accepts_broken_spec":
                sys.exit(0)
            raise RefusedError("bad_spec", str(error)) from error
        unknown = set(spec) - SPEC_KEYS
        if unknown and self.fault != "accepts_unknown_key":
            raise RefusedError("bad_spec", f"unknown {unknown}")
        if spec["protocol"] not in (1, 2) and self.fault != "accepts_protocol":
            raise RefusedError("bad_spec", "protocol")
        if "cases" not in spec:
            if self.fault == "accepts_missing_key":
                sys.exit(0)
            raise RefusedError("bad_spec", "cases are missing")
        self.spec = spec

    def refuse(self):
        spec, can = self.spec, self.capabilities
        self.need("the library libtiny.so; install it", not self.fault.endswith("lacks_its_library"))
        self.need("device", spec["device"].partition(":")[0] in can["devices"])
        self.need("dtype", spec["dtype"] in can["dtypes"])
        for load in [spec["load"]] if "load" in spec else [case["load"] for case in spec["cases"]]:
            self.need("load_mode", load["mode"] in can["load_modes"])
            self.need("concurrency", load.get("concurrency", 1) <= can["max_concurrency"])
            self.need("turns", "turns" not in load or self.fault != "no_conversations")
        self.need("option", set(spec["options"]) <= ({"margins"} if self.fault != "no_margins" else set()))
        for case in spec["cases"]:
            greedy = case["sampling"]["temperature"] == 0
            self.need("sampling", greedy or "temperature" in can["sampling"])
            self.need("ignore_eos", not case["ignore_eos"] or can["ignore_eos"])
            self.need("teacher_forcing", "forced_ids" not in case or can["teacher_forcing"])
        self.need("logits", not spec.get("logits_path") or can["logits"])

    def need(self, what, holds):
        if not holds and self.fault not in (f"accepts_{what}", f"modest_accepts_{what}"):
            raise RefusedError("unsupported", what)

    def generate(self, case, seed, warmup):
        """Ids of one request."""
        ids, total = [], sum(case["prompt_ids"]) + len(case["prompt_ids"])
        forced = None if self.fault == "forced_ignored" else case.get("forced_ids")
        sampling = case["sampling"]
        total += {"cache_kept": self.requests, "ids_by_process": os.getpid()}.get(self.fault, 0)
        self.requests += 1
        drawn = sampling["temperature"] > 0 and (sampling["top_p"] > 0.01 or self.fault == "top_p_ignored")
        if drawn:
            if self.fault == "seed_ignored":
                seed = 0
            if self.fault.startswith("unseeded"):
                seed = time.monotonic_ns()
            if self.fault == "warm_up_seed" and warmup:
                seed += 1000
            total += seed * 31
        while len(ids) < case["max_new_tokens"]:
            last = (total * 5 + 3) % VOCABULARY
            total += (forced[len(ids)] if forced else last) + 1
            is_end = last in case["eos_ids"] and (not case["ignore_eos"] or self.fault == "eos_not_ignored")
            if is_end and self.fault == "eos_left_out":
                return ids, "eos"
            ids.append(last)
            if is_end and self.fault != "eos_passed":
                return ids, "eos"
        return ids, "length"

    def leave_logits(self, ids):
        """Logits that are 0 but for the chosen id's."""
        sets = [bytearray(4 * VOCABULARY) for _ in ids]
        for chosen, logits in zip(ids, sets, strict=True):
            best = chosen + (self.fault == "logits_of_others")
            struct.pack_into("<f", logits, 4 * (best % VOCABULARY), math.nan if self.fault == "logits_nan" else 1.0)
        with Path(self.spec["logits_path"]).open("ab") as file:
            file.write(b"".join(sets)[: -4 if self.fault == "logits_cut" else None])

    def iterate(self, index, warmup, number):
        case = self.spec["cases"][number]
        first = case["prompt_ids"][0]
        self.need("an answer that is read as other ids", self.fault != "makes_ids_of_text" or first != 17)
        self.need("an answer that is read as other ids", self.fault != "never_makes_ids_of_text")
        start_ns = time.monotonic_ns()
        seed = case["sampling"]["seed"] + (0 if self.fault == "round_ignored" else index)
        ids, finish = self.generate(case, seed, warmup)
        if self.spec.get("logits_path"):
            self.leave_logits(ids)
        if self.fault == "forced_reported":
            ids = case.get("forced_ids", ids)
        times = []
        for _ in ids:
            time.sleep(0.00001)  # the clock must be seen to move
            times.append(time.monotonic_ns())
        margins = self.spec["options"].get("margins") or self.fault == "margins_unasked"
        self.emit(
            "iteration",
            index=index,
            warmup=warmup,
            case=number,
            start_ns=start_ns,
            token_ids=ids,
            token_ns=times,
            end_ns=time.monotonic_ns(),
            finish=finish,
            **({"margins": [1.0] * (len(ids) - (self.fault == "margin_missing"))} if margins else {}),
        )

    def level(self, place):
        """All requests of a level at one time, those of an open loop when the last is due."""
        case, begun_ns = self.spec["cases"][place], time.monotonic_ns()
        load = case["load"]
        count = load["warmup_requests"] + load["requests"]
        due = [0] * count if self.fault == "puts_arrivals_off" else load.get("arrivals_ns", [0] * count)
        turn = (lambda number: 0 if self.fault == "sends_a_turn_twice" else number ^ 2) if "turns" in load else None
        now_ns = begun_ns + due[count - 1]
        time.sleep(due[count - 1] / 1e9)
        times = dict.fromkeys(("start_ns", "written_ns", "end_ns"), now_ns)
        counts = dict.fromkeys(("prompt_tokens", "completion_tokens", "cached_tokens", "error"))
        for number in range(count):
            prompt = number if turn is None else turn(number)
            ids, finish = self.generate({**case, "prompt_ids": case["prompts"][prompt]}, 0, warmup=False)
            mixed_up = self.fault == "ids_mixed_up" or (self.fault == "turns_mixed_up" and turn is not None)
            ids = ids[::-1] if mixed_up else ids
            refused = self.fault == "refuses_others" and number > 0
            self.emit(
                "request",
                case=place,
                number=number,
                **({} if turn is None else {"prompt": prompt}),
                scheduled_ns=begun_ns + due[number],
                phase="warmup" if number < load["warmup_requests"] else "measured",
                chunk_ns=[now_ns] * len(ids),
                chunk_tokens=[1] * len(ids),
                token_ids=ids,
                stamp="engine",
                shared_chunks=0,
                finish=finish,
                status="refused" if refused else "ok",
                **times,
                **counts,
            )
        spans = dict.fromkeys(("start_ns", "window_start_ns"), begun_ns) | dict.fromkeys(
            ("end_ns", "window_end_ns"), now_ns
        )
        if self.fault == "counts_beyond_its_level":
            spans["window_end_ns"] = begun_ns
        zeros = dict.fromkeys(("client_cpu_seconds", "send_lag_p50_ns", "send_lag_p99_ns", "sockets_max"), 0)
        self.emit("stage", case=place, ended="requests", **spans, **zeros)

    def rounds(self):
        spec = self.spec
        plan = [(True, index) for index in range(spec["warmup_iterations"])]
        plan += [(False, index) for index in range(spec["iterations"])]
        if self.fault == "warm_ups_last":
            plan.sort()
        if self.fault == "round_missing":
            plan.pop()
        for warmup, index in plan:
            numbers = list(range(len(spec["cases"])))
            if self.fault == "cases_reversed":
                numbers.reverse()
            if self.fault == "index_goes_on" and not warmup:
                index += spec["warmup_iterations"]  # noqa: PLW2901
            for number in numbers:
                self.iterate(index, warmup, number)

    def serve(self):
        pid = os.getpid() if self.fault == "hello_changes" else 0
        build = {"language": "python", "pid": pid}
        self.emit("hello", engine="tiny", version="1", protocol=1, build=build, capabilities=self.capabilities)
        if self.fault == "loads_before_refusal":
            self.emit("load_start", time_ns=time.monotonic_ns())
        self.read_spec()
        self.refuse()
        if self.fault == "hangs":
            time.sleep(60)
        if self.fault != "loads_before_refusal":
            self.emit("load_start", time_ns=time.monotonic_ns())
        device = "cuda:0" if self.fault == "other_device" else self.spec["device"]
        threads = self.spec["threads"] + (self.fault == "more_threads")
        types = dict.fromkeys(("weights_dtype", "compute_dtype", "kv_cache_dtype"), self.spec["dtype"])
        told = {} if self.fault == "settings_untold" else {"batch_size": 1, "compiled_graph": False}
        self.emit("load_end", time_ns=time.monotonic_ns(), **types, device=device, threads=threads, **told)
        if self.spec["protocol"] == 2:
            for place in self.spec["stages"][: -1 if self.fault == "leaves_a_level_out" else None]:
                self.level(place)
            if self.fault == "dies_behind_its_levels":
                sys.exit(7)
        else:
            self.rounds()
        self.emit("done")


def on_iterations(change):
    """A distortion of iteration events: change gives the keys to replace."""
    return lambda entry: [entry | change(entry)] if entry["event"] == "iteration" else [entry]


def on_event(name, change):
    return lambda entry: change(entry) if entry["event"] == name else [entry]


def shifted(entry):
    offset = 10**18
    moved = {key: entry[key] + offset for key in ("time_ns", "start_ns", "end_ns") if key in entry}
    if "token_ns" in entry:
        moved["token_ns"] = [value + offset for value in entry["token_ns"]]
    return [entry | moved]


DISTORTIONS = {
    "not_json": on_event("done", lambda entry: [b"loading done\n", entry]),
    "extra_key": on_event("done", lambda entry: [entry | {"note": 1}]),
    "cut_line": on_event("done", lambda entry: [entry, b'{"event": "done"}']),
    "hello_twice": on_event("hello", lambda entry: [entry, entry]),
    "no_done": on_event("done", lambda _: []),
    "load_end_missing": on_event("load_end", lambda _: []),
    "done_twice": on_event("done", lambda entry: [entry, entry]),
    "load_end_early": on_event("load_end", lambda entry: [entry | {"time_ns": 1}]),
    "load_end_late": on_event("load_end", lambda entry: [entry | {"time_ns": entry["time_ns"] + 10**9}]),
    "batch_of_two": on_event("load_end", lambda entry: [entry | {"batch_size": 2}]),
    "simd_of_words": on_event("load_end", lambda entry: [entry | {"simd": "AVX 2, I think"}]),
    "token_missing": on_iterations(lambda e: {"token_ids": e["token_ids"][:-1], "token_ns": e["token_ns"][:-1]}),
    "token_too_many": on_iterations(
        lambda e: {"token_ids": [*e["token_ids"], 1], "token_ns": [*e["token_ns"], e["end_ns"]]}
    ),
    "time_missing": on_iterations(lambda e: {"token_ns": e["token_ns"][:-1]}),
    "finish_wrong": on_iterations(lambda e: {"finish": {"eos": "length", "length": "eos"}[e["finish"]]}),
    "times_go_back": on_iterations(lambda e: {"token_ns": e["token_ns"][::-1]}),
    "ends_too_early": on_iterations(lambda e: {"end_ns": e["token_ns"][0]}),
    "takes_no_time": on_iterations(
        lambda e: {"end_ns": e["start_ns"], "token_ns": [e["start_ns"]] * len(e["token_ns"])}
    ),
    "overlaps": on_iterations(lambda e: {"start_ns": e["start_ns"] - 10**7}),
    "other_clock": shifted,
    "wrong_kind": on_event("error", lambda entry: [entry | {"kind": "internal"}]),
}


def main():
    fault = sys.argv[sys.argv.index("--fault") + 1] if "--fault" in sys.argv else ""
    spec, events = (sys.argv[sys.argv.index(flag) + 1] for flag in ("--spec", "--events"))
    adapter = Adapter(fault, spec, events)
    if fault == "prints":
        print("loading")
    try:
        adapter.serve()
    except RefusedError as refused:
        kind, message = refused.args
        adapter.emit("error", kind=kind, message=message)
        return 1 if fault == "wrong_status" else EXIT_STATUS[kind]
    return 1 if fault == "status_1_after_done" else 0


if __name__ == "__main__":
    sys.exit(main())

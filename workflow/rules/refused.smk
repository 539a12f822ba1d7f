"""In place of all but the doctor, where the configuration has problems: whatever is asked for, they are told.

REQUIRED INPUTS
    none that there could be
OUTPUTS
    none
"""

from benchmark_runner.configuration.resolve import require_sound


def refuse(wildcards):
    """Input of what cannot be made from a configuration with problems."""
    or_refuse(require_sound, CONFIGURATION_PROBLEMS)


WANTED = refuse


rule refuse_file:
    input:
        refuse,
    output:
        "{anything}",
    log:
        f"{OUT}/logs/stages/refuse_file/{{anything}}.log",
    localrule: True
    shell:
        "false > {log:q}"

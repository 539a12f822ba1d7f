"""Result files of other benchmark tools, read into samples a launch each and judged as two campaigns are."""

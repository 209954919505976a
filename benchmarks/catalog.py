"""Built-in benchmarks: name -> "module:attribute". Nothing is imported here."""

BUILTIN = {
    "object_halbench": "benchmarks.object_halbench:BENCHMARK",
    "amber": "benchmarks.amber:BENCHMARK",
    "mmhal": "benchmarks.mmhal:BENCHMARK",
    "llava_bench": "benchmarks.llava_bench:BENCHMARK",
    "mm_vet": "benchmarks.mm_vet:BENCHMARK",
}

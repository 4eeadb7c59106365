"""A synthetic Bico do Papagaio, written as scene files that `scenes` reads like any others."""

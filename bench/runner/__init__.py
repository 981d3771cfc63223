"""The runner of ferroc's benchmark: what is measured, how, and how it is reported."""

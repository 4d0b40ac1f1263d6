// c10d only includes it.

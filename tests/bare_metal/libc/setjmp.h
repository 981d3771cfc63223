/* cmocka wants this header before its own; what stands in for cmocka here needs nothing of it. */

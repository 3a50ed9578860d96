"""The scan: what every unit gave for every image, in shards that processes share."""

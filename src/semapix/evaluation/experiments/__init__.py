"""The experiments of `semapix bench`: each takes a protocol and gives findings."""

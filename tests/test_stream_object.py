"""The public face on a real, tiny model."""

import numpy as np

import semapix


def test_round(tiny_bundle):
    rng = np.random.default_rng(0)
    for size in ((16,16),(17,5),(1,1),(40,30),(130,70)):
        px = rng.integers(0,256,(size[1],size[0],3)).astype(np.uint8)
        s = semapix.encode(px, model=tiny_bundle, quality=5)
        im = s.image()
        assert im.size==size
        t = semapix.open(s.to_bytes(), model=tiny_bundle)
        assert len(t.look("fine",top=2))==2
        assert np.array_equal(np.asarray(t.image()),np.asarray(im))
        print(size,len(s.to_bytes()),[l.length for l in s.layers])
